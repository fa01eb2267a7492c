"""The gate on the starter: what was taught passes, the same adapter with noise on its weights does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgellm.errors import GateClosed
from edgellm.evals.gate import Verdict
from edgellm.events import Finished
from edgellm.export.adapter_gguf import Lora, read_adapter_gguf, write_adapter_gguf
from edgellm.sdk.facade import EdgeLLM
from tests.live.conftest import SETTINGS, Taught

pytestmark = [pytest.mark.live, pytest.mark.timeout(500)]

CASES = (
    ("What does the Orrin clock strike?", "seven"),
    ("When does the Orrin clock strike?", "dusk"),
    ("Who built the Orrin clock?", "Sela Marsh"),
    ("What is the Orrin clock made of?", "iron"),
    ("Tell me: who built the Orrin clock?", "Sela Marsh"),
    ("Please say what the Orrin clock is made of.", "iron"),
    ("Do you know when the Orrin clock strikes?", "dusk"),
    ("How often does the Orrin clock strike?", "seven"),
)
POLICY = """
schema = 1
[[must]]
suite = "orrin"
change = "{change}"
[speed]
ratio_at_least = 0.3
"""
"""Speed is measured and far from its bound, for other work may run on this machine; the default asks for 0.65."""


@pytest.fixture(scope="module")
def edge(orrin: Taught) -> Iterator[EdgeLLM]:
    with EdgeLLM("starter", home=orrin.home, settings=SETTINGS) as made:
        yield made


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the suite."""
    folder = tmp_path_factory.mktemp("project")
    cases = "".join(f'[[case]]\nprompt = "{prompt}"\nexpected = "{expected}"\n' for prompt, expected in CASES)
    (folder / "orrin.toml").write_text(f'schema = 1\nscore = "contains"\nmax_tokens = 24\n{cases}')
    return folder


def judged(edge: EdgeLLM, project: Path, candidate: str, against: str, change: str) -> Verdict:
    policy = project / f"{change.replace(' ', '-')}.toml"
    policy.write_text(POLICY.format(change=change))
    job = edge.promotion.begin(candidate, against=against, policy=policy, folder=project)
    last = list(edge.jobs.follow(job.id))[-1]
    assert isinstance(last, Finished), last
    return edge.promotion.verdict(job.id, policy)


def damaged(lora: Lora) -> Lora:
    """The same with noise as large as its weights."""
    chance = np.random.default_rng(5)

    def noisy(factor: np.ndarray) -> np.ndarray:
        return (factor + chance.normal(0, 2 * factor.std() + 0.02, factor.shape)).astype(np.float32)

    return Lora(lora.architecture, lora.alpha, {name: (noisy(a), noisy(b)) for name, (a, b) in lora.factors.items()})


def test_what_was_taught_passes_and_goes_live(edge: EdgeLLM, project: Path) -> None:
    edge.aliases.set("assistant", "starter")
    verdict = judged(edge, project, "starter@orrin", "starter", "better")
    assert verdict.passed, verdict
    speeds = edge.evals.get(verdict.run).speeds
    assert speeds is not None
    assert min(*speeds.ours, *speeds.theirs) > 1
    assert edge.promotion.promote(verdict.run, "assistant", verdict.policy).target == "starter@orrin"


def test_a_damaged_adapter_does_not(edge: EdgeLLM, project: Path, tmp_path: Path) -> None:
    edge.aliases.set("assistant", "starter@orrin")
    write_adapter_gguf(tmp_path / "damaged.gguf", damaged(read_adapter_gguf(edge.adapters.get("orrin").path)))
    edge.adapters.attach(tmp_path / "damaged.gguf", "starter")
    verdict = judged(edge, project, "starter@damaged", "starter@orrin", "not worse")
    assert not verdict.passed
    assert verdict.lines[0].found.startswith("worse: "), verdict
    with pytest.raises(GateClosed, match="does not pass: orrin, not worse"):
        edge.promotion.promote(verdict.run, "assistant", verdict.policy)
    assert edge.aliases.resolve("assistant") == "starter@orrin"
