"""Tables, ratios and what is kept of results."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.facts import Facts, gather
from benchmarks.report import Limit, Report, Spread, Target, number, save
from scripts.readme_table import EMPTY, render

FACTS: Facts = {"processor": "Test", "cores": 2, "instructions": ["avx2"], "system": "Linux", "commit": "abc"}


def report(ours: float, theirs: float, target: Target, *, is_trial: bool = False) -> Report:
    arms = {"edgellm": {"speed": Spread((ours,))}, "rival": {"speed": Spread((theirs,))}}
    return Report(
        name="Speed", what="How fast.", units={"speed": "x/s"}, arms=arms, targets=(target,), is_trial=is_trial
    )


def target(*, floor: float | None = 1.0, aim: float | None = 2.0, is_lower_better: bool = False) -> Target:
    return Target(path="p", metric="speed", against="rival", floor=floor, aim=aim, is_lower_better=is_lower_better)


@pytest.mark.parametrize(
    ("ours", "words"), [(0.9, "below the floor"), (1.0, "above the floor"), (1.99, "above the floor"), (2.0, "reached")]
)
def test_verdicts(ours: float, words: str) -> None:
    [ratio] = report(ours, 1.0, target()).ratios
    assert ratio.verdict == words


def test_where_less_is_better_the_ratio_is_turned_round() -> None:
    [ratio] = report(2.0, 10.0, target(is_lower_better=True)).ratios
    assert ratio.value == 5.0


def test_a_ratio_is_that_of_each_round() -> None:
    arms = {"edgellm": {"speed": Spread((10.0, 2.0, 9.0))}, "rival": {"speed": Spread((10.0, 4.0, 3.0))}}
    assert Report(name="n", what="w", units={}, arms=arms, targets=(target(),)).ratios[0].value == 1.0
    short = {**arms, "rival": {"speed": Spread((3.0, 4.0))}}
    assert Report(name="n", what="w", units={}, arms=short, targets=(target(),)).ratios[0].value == 9 / 3.5


def test_a_missing_floor_or_aim_is_not_judged() -> None:
    assert report(0.5, 1.0, target(floor=None)).ratios[0].verdict == "aim not reached"
    assert report(1.5, 1.0, target(aim=None)).ratios[0].verdict == "reached"


def test_rivals_that_were_not_measured_have_no_ratio() -> None:
    arms = {"edgellm": {"speed": Spread((1.0,))}}
    assert not Report(name="n", what="w", units={}, arms=arms, targets=(target(),)).ratios


def test_a_spread_shows_median_and_range() -> None:
    assert str(Spread((3.0, 1.0, 20.0))) == "3.00 (1.00 to 20.0)"
    assert str(Spread((3.0,))) == "3.00"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1,234"), (99.96, "100.0"), (12.34, "12.3"), (1.234, "1.23"), (0.0123, "0.012"), (0, "0.000")],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_the_table_says_when_numbers_mean_nothing() -> None:
    assert "mean nothing" in report(1, 1, target(), is_trial=True).table()
    assert "mean nothing" not in report(1, 1, target()).table()
    assert "| edgellm | 1.00 |" in report(1, 1, target()).table()


def test_results_of_other_benchmarks_are_kept(tmp_path: Path) -> None:
    first, second = report(1, 1, target()), report(2, 1, target())
    save(first, FACTS, tmp_path)
    save(Report(name="Other", what="Another.", units={}, arms={"edgellm": {}}), FACTS, tmp_path)
    save(second, FACTS, tmp_path)
    found = json.loads((tmp_path / "latest.json").read_text())["benchmarks"]
    assert set(found) == {"Speed", "Other"}
    assert found["Speed"]["ratios"][0]["ratio"] == 2.0
    assert found["Speed"]["facts"]["commit"] == "abc"
    assert "Test, 2 cores (avx2), Linux" in (tmp_path / "latest.md").read_text()


def test_facts_of_this_machine() -> None:
    facts = gather()
    assert facts["cores"]
    assert facts["processor"]
    assert facts["llama-cpp-python"]


@pytest.mark.parametrize(
    ("value", "words"), [(70.0, "below the floor"), (50.0, "above the floor"), (40.0, "reached"), (0.0, "reached")]
)
def test_limits_are_bounds_from_above(value: float, words: str) -> None:
    assert Limit(path="help", arm="edgellm", metric="wall", floor=60, aim=40).verdict(value) == words


def test_the_readme_table_shows_ratios_and_limits(tmp_path: Path) -> None:
    limit = Limit(path="help", arm="edgellm", metric="speed", floor=60, aim=40)
    save(replace(report(2.0, 1.0, target()), limits=(limit,)), FACTS, tmp_path)
    table = render(json.loads((tmp_path / "latest.json").read_text()))
    assert "| p | rival | **2.00x** | 1x | 2x | reached |" in table
    assert "| help |  | **2 x/s** | 60 x/s | 40 x/s | reached |" in table
    assert table.endswith("Measured on: Test, 2 cores, Linux.")


def test_without_results_the_readme_says_so() -> None:
    assert render({"benchmarks": {}}) == EMPTY


def test_a_limit_is_kept_by_what_is_less_than_nothing() -> None:
    """Two times taken one after the other may differ the wrong way round on a fast machine."""
    assert Limit(path="help", arm="edgellm", metric="wall", floor=60, aim=40).verdict(-0.5) == "reached"


def test_a_target_may_compare_another_arm_than_edgellm() -> None:
    target = Target(path="kept", arm="in the app", metric="decode", against="headless", floor=0.9, aim=0.95)
    arms = {"in the app": {"decode": Spread((90.0,))}, "headless": {"decode": Spread((100.0,))}}
    [ratio] = Report(name="n", what="w", units={"decode": "tokens/s"}, arms=arms, targets=(target,)).ratios
    assert (ratio.value, ratio.verdict) == (0.9, "above the floor")
