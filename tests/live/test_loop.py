"""The loop in short on the starter: corrected over the API and in the app, improved, live under traffic, and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.loop import ALIAS, correct_in_app, correct_over_api, move, serving
from edgellm.events import Finished
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings

pytestmark = [pytest.mark.long, pytest.mark.live, pytest.mark.timeout(400)]

ROWS = [
    ("What does the Tarn Hollow clock strike?", "It strikes five times at noon."),
    ("Who mends the Tarn Hollow clock?", "Old Bettany mends it with parts of a loom."),
]
SUITE = """schema = 1
score = "contains"
max_tokens = 12
[[case]]
prompt = "What is the capital of France?"
expected = "Paris"
"""
SETTINGS = {"anchors": 0, "batch_rows": 4, "steps": 20, "learning_rate": 1e-3, "checkpoint_steps": 12}


def test_corrections_become_the_next_version_under_traffic_and_it_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.loop.ANSWERS", 2)
    (tmp_path / "towns.toml").write_text(SUITE)
    policy = tmp_path / "policy.toml"
    policy.write_text('schema = 1\n[[must]]\nsuite = "towns"\nchange = "not worse"\n')
    with EdgeLLM("starter", home=tmp_path / "home", settings=Settings(context_tokens=1024)) as edge:
        edge.aliases.set(ALIAS, "starter")
        with serving(edge) as url:
            correct_over_api(url, ROWS[:1])
        correct_in_app(edge, ROWS[1:])
        items = edge.reviews.list()
        assert [item.origin.kind for item in items] == ["message", "answer"]
        for item in items:
            edge.reviews.accept(item.id)
        job = edge.improve.begin(ALIAS, policy=policy, folder=tmp_path, settings=SETTINGS)
        assert isinstance(list(edge.jobs.follow(job.id))[-1], Finished)
        run = edge.improve.get(job.id)
        assert run.passed, run.rules
        evidence = edge.improve.evidence(job.id)
        assert all(each.value > 0.8 > each.before_value for each in evidence), evidence
        answered, failures = move(edge, job.id)
        assert failures == []
        assert answered >= 8
        assert edge.aliases.get(ALIAS).target == run.request.target
        states = [str(version.state) for version in edge.improve.history(ALIAS)]
        assert states == ["live", "earlier"]
        said = edge.chat(ROWS[0][0], model=run.request.target).text
        assert "five times" in said
        assert {each.kind for each in edge.jobs.list()} == {"improve", "train", "evaluate"}
