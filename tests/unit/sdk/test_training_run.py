"""Following a run: its sayings become events, and who cancels waits for the checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from edgellm.errors import TrainingError, WorkerDied
from edgellm.events import JobEvent, Measured, Progressed, Sampled
from edgellm.sdk import training_run
from edgellm.sdk.run_samples import Sampler
from edgellm.sdk.training_run import Outcome, Together, follow
from edgellm.sdk.work import CancelRequested
from edgellm.train.history import History
from edgellm.train.launch import Heard
from edgellm.train.settings import settings_for
from edgellm.train.spec import Ended, Opened, Saved, Stepped, Validated


def stepped(step: int) -> Stepped:
    return Stepped(
        step=step, steps=3, loss=4.0 - step, straying=0.0, learning_rate=1e-3, tokens=100 * step, spent_s=2.0 * step,
        peak_bytes=7,
    )  # fmt: skip


def opened(first_step: int) -> Opened:
    return Opened(first_step=first_step, steps=3, learning_weights=5, blas="fast")


class FakeLaunch:
    """Says what `script` holds; an exception in it comes out while somebody waits."""

    script: tuple[Heard | BaseException, ...] = ()

    def __init__(self, *_: Any) -> None:
        self._left = iter(self.script)
        self.said: list[str] = []
        FakeLaunch.newest = self

    newest: FakeLaunch

    def __enter__(self) -> FakeLaunch:
        return self

    def __exit__(self, *_: object) -> None:
        self.said.append("killed")

    def stop(self) -> None:
        self.said.append("asked to stop")

    def sayings(self) -> Iterator[Heard]:
        for saying in self._left:
            if isinstance(saying, BaseException):
                raise saying
            self.said.append(type(saying).__name__)
            yield saying


def play(monkeypatch: pytest.MonkeyPatch, *script: Heard | BaseException) -> list[JobEvent]:
    monkeypatch.setattr(FakeLaunch, "script", script)
    monkeypatch.setattr(training_run, "Launch", FakeLaunch)
    return []


def test_sayings_become_events_and_an_outcome(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    events = play(
        monkeypatch,
        Opened(first_step=0, steps=3, learning_weights=5, blas="fast"),
        stepped(1),
        Validated(step=1, loss=3.5, is_best=True),
        stepped(2),
        Ended(is_complete=True, checkpoint="step-2", best="step-1"),
    )
    outcome = follow(tmp_path, Together(), tmp_path / "kernels", events.append)
    assert (outcome.blas, outcome.checkpoint, outcome.best_checkpoint) == ("fast", "step-2", "step-1")
    assert outcome.tokens_per_s == 50
    assert [event.values["loss"] for event in events if isinstance(event, Measured) and "loss" in event.values] == [
        3,
        2,
    ]
    assert [event.left_s for event in events if isinstance(event, Progressed)] == [4.0, 2.0]


def test_a_run_that_stops_when_it_gets_no_better_leaves_the_best_checkpoint() -> None:
    outcome = Outcome(checkpoint="step-9", best_checkpoint="step-4")
    assert outcome.result(settings_for("balanced")) == Path("step-9")
    assert outcome.result(settings_for("balanced", patience=2)) == Path("step-4")


def test_without_a_measurement_the_newest_checkpoint_is_the_best(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    play(monkeypatch, stepped(1), Ended(is_complete=True, checkpoint="step-1"))
    assert follow(tmp_path, Together(), tmp_path / "kernels", lambda _event: None).best_checkpoint == "step-1"


def test_who_cancels_waits_for_the_checkpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    events = play(monkeypatch, stepped(1), CancelRequested(), stepped(2), Ended(is_complete=False, checkpoint="step-2"))
    with pytest.raises(CancelRequested):
        follow(tmp_path, Together(), tmp_path / "kernels", events.append)
    assert FakeLaunch.newest.said == ["Stepped", "asked to stop", "Stepped", "Ended", "killed"]
    assert len(events) == 2, "what comes after the cancel is not told"


def test_a_run_that_somebody_else_stopped_is_no_success(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    play(monkeypatch, stepped(1), Ended(is_complete=False, checkpoint="step-1"))
    with pytest.raises(TrainingError, match="Resume it"):
        follow(tmp_path, Together(), tmp_path / "kernels", lambda _event: None)


def test_a_resumed_run_tells_its_first_steps_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for step in (1, 2):  # killed after a checkpoint of step 1
        History(tmp_path).keep(stepped(step))
    with (tmp_path / "history.jsonl").open("ab") as file:
        file.write(b'{"type":"stepped","st')  # as a kill leaves it
    again = play(monkeypatch, opened(1), stepped(2), stepped(3), Ended(is_complete=True, checkpoint="step-3"))
    outcome = follow(tmp_path, Together(), tmp_path / "kernels", again.append)
    assert [event.step for event in again if isinstance(event, Measured)] == [1, 2, 3]
    assert outcome.first == stepped(1)
    assert "going on from step 1" in [event.note for event in again if isinstance(event, Progressed)]


class FakeSampler:
    """Says which weights it was asked with."""

    def ask(self, step: int, weights: Path | None) -> Sampled:
        if step == 2:
            raise WorkerDied("it was killed")
        return Sampled(step=step, question="Who?", text=str(weights))


def test_a_sampler_is_asked_at_the_start_and_at_checkpoints_and_may_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    saved = [Saved(step=step, checkpoint=f"step-{step}") for step in (1, 2, 3)]
    events = play(monkeypatch, opened(0), *saved, Ended(is_complete=True, checkpoint="step-3"))
    follow(tmp_path, Together(), tmp_path / "kernels", events.append, cast(Sampler, FakeSampler()))
    assert [(event.step, event.text) for event in events if isinstance(event, Sampled)] == [
        (0, "None"),
        (1, "step-1/weights.safetensors"),
        (3, "step-3/weights.safetensors"),
    ]
