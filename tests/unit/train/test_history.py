"""What a run remembers of itself."""

from __future__ import annotations

from pathlib import Path

from edgellm.train.history import History
from edgellm.train.spec import Stepped, Validated


def stepped(step: int, loss: float = 1.0) -> Stepped:
    return Stepped(step=step, steps=9, loss=loss, straying=0.0, learning_rate=1e-3, tokens=5, spent_s=1.0, peak_bytes=1)


def test_nothing_was_said_before_the_first_step(tmp_path: Path) -> None:
    assert History(tmp_path).until(5) == []


def test_a_step_that_was_done_again_counts_as_it_was_last(tmp_path: Path) -> None:
    history = History(tmp_path)
    measured = Validated(step=2, loss=2.0, is_best=True)
    for saying in (stepped(1), stepped(2, 7.0), measured, stepped(3), stepped(2, 5.0)):
        history.keep(saying)
    assert history.until(2) == [stepped(1), stepped(2, 5.0), measured]


def test_a_line_that_a_kill_has_cut_is_passed_over(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.keep(stepped(1))
    with (tmp_path / "history.jsonl").open("ab") as file:
        file.write(b'{"type":"stepped","ste')
    assert history.until(9) == [stepped(1)]
