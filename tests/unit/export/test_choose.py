"""Which quantization to use here."""

from __future__ import annotations

from edgellm.export.choose import RuledOut, recommended
from tests.unit.export.samples import exported

PRECISE = exported("Q8_0", kl=0.005, size_bytes=2000, seconds=1.0)
CLOSE = exported("Q4_K_M", kl=0.03, size_bytes=1000, seconds=0.5)
FAR = exported("Q4_0", kl=0.2, size_bytes=800, seconds=0.1)


def test_the_fastest_of_those_that_stay_close() -> None:
    assert recommended([PRECISE, CLOSE, FAR], 10_000).quantization == "Q4_K_M"


def test_equal_speed_takes_the_closest() -> None:
    as_fast = exported("Q8_0", kl=0.005, size_bytes=2000, seconds=0.52)
    assert recommended([as_fast, CLOSE, FAR], 10_000).quantization == "Q8_0"


def test_one_that_does_not_fit_is_left_out() -> None:
    choice = recommended([PRECISE, FAR], 1_500)
    assert choice.quantization == "Q4_0"
    assert "closest" in choice.reason


def test_when_none_fits_the_smallest_is_named() -> None:
    choice = recommended([PRECISE, CLOSE, FAR], 10)
    assert choice.quantization == "Q4_0"
    assert "none fits" in choice.reason


def test_what_a_suite_speaks_against_is_not_taken() -> None:
    choice = recommended([PRECISE, CLOSE, FAR], 10_000, {"Q4_K_M": RuledOut(0.4)})
    assert choice.quantization == "Q8_0"
    assert "not counting Q4_K_M (clearly worse at the suite)" in choice.reason
    far = recommended([CLOSE, FAR], 10_000, {"Q4_K_M": RuledOut(0.4)})
    assert (far.quantization, "not counting Q4_K_M" in far.reason) == ("Q4_0", True)


def test_the_best_that_fits_where_the_best_of_all_does_not() -> None:
    choice = recommended([PRECISE, CLOSE, FAR], 1_500, {"Q4_K_M": RuledOut(0.4), "Q4_0": RuledOut(0.5)})
    assert choice.quantization == "Q4_0"
    assert "clearly worse at the suite than one that does not fit" in choice.reason


def test_where_nothing_could_be_opened_the_closest_is_named() -> None:
    choice = recommended([CLOSE, FAR], 10_000, {"Q4_K_M": RuledOut(None), "Q4_0": RuledOut(None)})
    assert choice.quantization == "Q4_K_M"
    assert "none could be opened here" in choice.reason
