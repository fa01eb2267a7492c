"""A suite asked of each quantization: what is compared, what is refused, what the job's result says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgellm.errors import InvalidInput, ModelDoesNotFit, NotFound
from edgellm.evals.values import Result, Said
from edgellm.events import JobEvent, Started
from edgellm.export import package
from edgellm.export.manifest import Manifest
from edgellm.export.order import Order
from edgellm.hub.installed import Library
from edgellm.paths import write_private
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.quant_scores import Asking, compared
from edgellm.sdk.quants import quants_job, task_suite
from edgellm.sdk.work import Work
from tests.ggufs import GGUF
from tests.unit.cli.fakes import INSPECTION
from tests.unit.export.samples import exported, manifest
from tests.unit.sdk.test_evaluation import suite

GOOD, BAD = "fake:says=It%20is%20Paris.", "fake:says=It%20is%20Rome."


def results(right: int, of: int = 40) -> list[Result]:
    return [
        Result(
            case_id=f"{at}",
            category="",
            group=f"{at}",
            sample=0,
            question="?",
            value=float(at < right),
            reason="",
            measures={},
            said=Said(),
        )
        for at in range(of)
    ]


def test_the_paired_interval_against_the_best_decides() -> None:
    found = compared(
        ["Q8_0", "Q6_K", "Q4_0", "F32"],
        {"Q8_0": results(36), "Q6_K": results(35), "Q4_0": results(20)},
        {"F32": "too large"},
    )
    best, close, worse, refused = found
    assert [each.verdict for each in (best, close, worse, refused)] == [
        "best", "no clear difference", "clearly worse", "not asked",
    ]  # fmt: skip
    assert best.score is not None
    assert (best.score.mean, best.against_best) == (0.9, None)
    assert close.against_best is not None
    assert close.against_best.low < 0 <= close.against_best.high
    assert worse.against_best is not None
    assert (worse.against_best.difference, worse.against_best.high < 0) == (-0.4, True)
    assert (refused.score, refused.reason) == (None, "too large")


def test_of_equal_ones_the_first_is_the_best() -> None:
    found = compared(["Q8_0", "Q4_0"], {"Q8_0": results(9), "Q4_0": results(9)}, {})
    assert [each.verdict for each in found] == ["best", "no clear difference"]


def test_suites_that_cannot_be_scored_alone_are_refused_before_a_job_begins(tmp_path: Path) -> None:
    good = suite(tmp_path, 2)
    assert task_suite("towns", tmp_path) == task_suite(good, "nowhere")
    with pytest.raises(NotFound, match="no suite named 'twns'"):
        task_suite("twns", tmp_path)
    judged = tmp_path / "judged.toml"
    judged.write_text('schema = 1\nscore = "judged"\n[[case]]\nprompt = "?"\nrubric = "Is it kind?"\n')
    with pytest.raises(InvalidInput, match="is judged by a model"):
        task_suite(judged, tmp_path)
    text = tmp_path / "text.toml"
    text.write_text('schema = 1\nscore = "perplexity"\n[[case]]\nprompt = "Some words that stand here."\n')
    with pytest.raises(InvalidInput, match="only perplexities"):
        task_suite(text, tmp_path)


@pytest.fixture
def edge(edgellm_home: Path) -> Iterator[EdgeLLM]:
    with EdgeLLM("fake:", home=edgellm_home) as made:
        write_private(made.home.settings, b"context_tokens = 1024\n")
        yield made


@pytest.fixture
def job(edge: EdgeLLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], dict[str, Any]]:
    """A job whose files are built-in models: Q8_0 is always right, Q4_0 always wrong, F16 too large."""

    def make(order: Order, on_event: Callable[[JobEvent], None]) -> Manifest:
        on_event(Started(title="Quantize"))
        assert not order.keeps_files
        if order.on_file is not None:
            for name in ("Q8_0", "Q4_0", "F16"):
                order.on_file(name, Path(name))
        files = exported("Q8_0", kl=0.001, seconds=1.0), exported("Q4_0", kl=0.001, seconds=0.1), exported("F16", kl=0)
        return manifest(*files)

    real = Asking.__init__

    def with_fakes(self: Asking, means: Any, *rest: Any) -> None:
        real(self, means, *rest)
        opened = means.engines.open

        def open_fake(name: str, *said: Any, **more: Any) -> Any:
            if name == "F16":
                raise ModelDoesNotFit("It is too large for this machine.", needed_bytes=2, available_bytes=1)
            return opened({"Q8_0": GOOD, "Q4_0": BAD}.get(name, name), *said, **more)

        monkeypatch.setattr(means.engines, "open", open_fake)

    monkeypatch.setattr(Asking, "__init__", with_fakes)
    monkeypatch.setattr(package, "package", make)
    model = GGUF().write(tmp_path / "tiny.gguf")

    def run(path: Path | None) -> dict[str, Any]:
        asked = {} if path is None else {"suite": {"path": str(path), "sha256": task_suite(path, "evals").sha256}}
        folder = tmp_path / "job"
        folder.mkdir()
        work = Work(edge.home, folder, {"model": str(model), "quants": "Q8_0,Q4_0,F16", **asked}, lambda _: None)
        return quants_job(work, Library(edge.home, lambda _path: INSPECTION))

    return run


def test_a_clearly_worse_one_is_not_recommended(job: Callable[[Path], dict[str, Any]], tmp_path: Path) -> None:
    found = job(suite(tmp_path))
    task = found["task"]
    assert (task["suite"], task["cases"]) == ("towns", 12)
    assert [(each["quantization"], each["verdict"]) for each in task["scores"]] == [
        ("Q8_0", "best"), ("Q4_0", "clearly worse"), ("F16", "not asked"),
    ]  # fmt: skip
    assert found["recommended"] == "Q8_0"
    assert "not counting Q4_0 (clearly worse at the suite), F16 (too large to be asked)" in found["reason"]
    assert [file["quantization"] for file in found["files"]] == ["Q8_0", "Q4_0", "F16"]


def test_without_a_suite_nothing_is_asked(job: Callable[[Path | None], dict[str, Any]]) -> None:
    found = job(None)
    assert found["task"] is None
    assert found["recommended"] == "Q4_0", "the fastest"
