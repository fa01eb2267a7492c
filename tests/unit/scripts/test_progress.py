"""Build progress and its estimate."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.progress import Estimate, ProgressLine, in_words, parse_step


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("  [1/140] /usr/bin/g++ -DGGML_BUILD", (1, 140)),
        ("[140/140] Linking CXX shared library", (140, 140)),
        ("  -- Install configuration: [Release]", None),
        ("[150/140] impossible", None),
        ("[0/140] not begun", None),
        ("", None),
    ],
)
def test_steps_of_ninja(line: str, step: tuple[int, int] | None) -> None:
    assert parse_step(line) == step


def test_before_the_first_step_the_guess_counts_down() -> None:
    estimate = Estimate(300)
    assert estimate.left_s(0) == 300
    assert estimate.left_s(100) == 200
    assert estimate.left_s(400) == 0


def test_a_machine_twice_as_slow_as_guessed_is_noticed_by_half_time() -> None:
    estimate = Estimate(300)
    estimate.update(70, 140, 300)
    assert estimate.left_s(300) == pytest.approx(300)


@given(
    expected=st.floats(1, 3600),
    total=st.integers(1, 500),
    share=st.floats(0.01, 1),
    elapsed=st.floats(0, 7200),
)
def test_never_negative_and_nothing_left_at_the_end(expected: float, total: int, share: float, elapsed: float) -> None:
    estimate = Estimate(expected)
    estimate.update(max(1, int(share * total)), total, elapsed)
    assert estimate.left_s(elapsed) >= 0
    estimate.update(total, total, elapsed)
    assert estimate.left_s(elapsed) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "a few seconds"), (42, "about 40 s"), (70, "about a minute"), (290, "about 5 minutes")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


class Terminal(io.StringIO):
    """Text output that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def test_off_a_terminal_a_line_every_fifteen_seconds() -> None:
    now, out = [0.0], io.StringIO()
    line = ProgressLine(lambda: now[0], out)
    for second in range(31):
        now[0] = float(second)
        line.show(f"at {second}")
    line.close()
    assert out.getvalue() == "at 15\nat 30\n"


def test_on_a_terminal_one_line_is_redrawn_and_cleared() -> None:
    out = Terminal()
    line = ProgressLine(lambda: 0.0, out)
    line.show("one")
    line.show("two")
    line.close()
    assert out.getvalue() == "\r\x1b[2Kone\r\x1b[2Ktwo\r\x1b[2K"
