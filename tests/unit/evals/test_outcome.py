"""Results summed up, compared, and kept: against values computed by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from edgellm.errors import DataRejected
from edgellm.evals.measures import measures_of
from edgellm.evals.outcome import compare_all, outcome, paired, regressions
from edgellm.evals.run import (
    Run,
    SubjectRecord,
    SuiteRecord,
    read_results,
    read_run,
    write_results,
    write_run,
)
from edgellm.evals.statistics import rate_interval
from edgellm.evals.suite import SHIPPED, read_suite
from edgellm.evals.unmeasured import not_measured
from edgellm.evals.values import Result, Said, Support
from tests.unit.evals.fakes import result


def test_an_outcome_has_a_score_for_each_category() -> None:
    results = [result(1, "a", category="x"), result(0, "b", category="x"), result(1, "c", category="y")]
    found = outcome("s", "m", results)
    assert found.tally.score is not None
    assert found.tally.score.mean == pytest.approx(2 / 3)
    assert (found.tally.cases, found.tally.answers) == (3, 3)
    assert {name: each.cases for name, each in found.categories.items()} == {"x": 2, "y": 1}
    assert outcome("s", "m", [result(1)]).categories == {}


def test_without_values_there_is_no_score() -> None:
    found = outcome("s", "m", [result(None, measures={"nats": -6.0, "tokens": 3.0})])
    assert found.tally.score is None
    assert found.measures == {"perplexity": pytest.approx(math.e**2)}


def test_samples_of_a_case_count_together() -> None:
    """Ten samples of two cases say as much as two cases."""
    few = [result(float(at < 5), "a" if at < 5 else "b", sample=at) for at in range(10)]
    many = [result(float(at < 5), str(at)) for at in range(10)]
    together, apart = outcome("s", "m", few).tally.score, outcome("s", "m", many).tally.score
    assert together is not None
    assert apart is not None
    assert together.high - together.low > apart.high - apart.low


def test_what_has_no_value_on_one_side_is_not_compared() -> None:
    """It would count as 0 there, and the other side would gain by it."""
    ours = [result(1, str(at)) for at in range(9)]
    theirs = [result(None if at < 8 else 1, str(at)) for at in range(9)]
    (found,) = compare_all({"s": ours}, {"s": theirs}, "new", "old")
    assert (found.difference.difference, found.word) == (0, "no difference shown")


def test_measures_by_hand() -> None:
    results = [
        result(1, measures={"confidence": 0.9, "brier": 0.02, "chance": 0.25}),
        result(0, measures={"confidence": 0.7, "brier": 1.0, "chance": 0.25}),
    ]
    found = measures_of(results)
    assert found["calibration_error"] == pytest.approx((0.1 + 0.7) / 2)
    assert (found["brier"], found["chance"]) == (0.51, 0.25)
    grounded = [
        result(1, measures={"claims": 3, "unsupported": 1, "cited": 2, "held": 2, "removed": 1}),
        result(1, measures={"claims": 1, "unsupported": 0, "cited": 0, "held": 0, "removed": 1}),
        result(0, measures={"outside": 1, "declined": 0}),
        result(1, measures={"outside": 1, "declined": 1}),
    ]
    assert measures_of(grounded) == {
        "unsupported": 0.25, "unsupported_answers": 0.5, "citation_precision": 0.5, "citation_recall": 0.5,
        "answered_outside": 0.5,
    }  # fmt: skip
    refusals = [
        result(1, measures={"harmful": 1, "refused": 1}),
        result(0, measures={"harmful": 1, "refused": 0}),
        result(1, measures={"harmless": 1, "refused": 0}),
    ]
    assert measures_of(refusals) == {"refused_harmful": 0.5, "refused_harmless": 0.0}
    spoken = [
        result(1, measures={"written": 10, "seconds": 2, "cut": 1}),
        result(1, measures={"written": 30, "seconds": 2, "cut": 0}),
        result(1, measures={"agrees": 1}),
    ]
    assert measures_of(spoken) == {"judge_agreement": 1, "answer_tokens": 20, "cut": 0.5, "tokens_per_second": 10}


def test_what_is_a_share_has_an_interval_and_nothing_else_has() -> None:
    """Ten answers with three claims each: those of one answer are not independent, and are drawn together."""
    held = [{"claims": 3, "unsupported": 3 * (at < 4), "cited": at % 4, "held": 1, "removed": 0} for at in range(10)]
    results = [result(0, str(at), measures={**each, "nats": -2, "tokens": 1}) for at, each in enumerate(held)]
    found = outcome("s", "m", results)
    assert set(found.spans) == {"unsupported", "unsupported_answers", "citation_precision", "citation_recall"}
    for name, span in found.spans.items():
        assert span.mean == pytest.approx(found.measures[name])
        assert span.low < span.mean or span.mean == 0
    whole, apart = found.spans["unsupported"], rate_interval(12, 30)
    assert (whole.low, whole.high) == pytest.approx((0.168, 0.687), abs=1e-3), "Wilson's of 4 of 10 answers"
    assert apart.high - apart.low < whole.high - whole.low - 0.1, "not that of 12 of 30"
    answered = [result(1, str(at), measures={"outside": 1, "declined": 1}) for at in range(4)]
    outside = outcome("s", "m", answered).spans["answered_outside"]
    assert (outside.mean, outside.low) == (0, 0)
    assert outside.high == pytest.approx(0.490, abs=1e-3), "none of four is no proof"


def test_a_comparison_pairs_by_case_and_sample() -> None:
    ours = [result(1, "a"), result(0, "b"), result(1, "c", sample=1)]
    theirs = [result(1, "b"), result(0, "a"), result(0, "c", sample=0)]
    changes = paired(ours, theirs)
    assert [(each.ours.case_id, each.difference) for each in changes] == [("a", 1), ("b", -1)]
    assert [each.ours.case_id for each in regressions(changes, 5)] == ["b"]


def test_comparisons_are_corrected_for_their_number() -> None:
    right, wrong = ([result(value, str(at)) for at in range(10)] for value in (1.0, 0.0))
    same = {"one": right, "two": right, "three": right}
    found = compare_all(same, {"one": wrong, "two": right, "three": right}, "new", "old")
    better, equal, _ = found
    assert (better.suite, better.word, equal.word) == ("one", "better", "no difference shown")
    assert better.difference.p == pytest.approx(2 / 2**10)
    assert better.p_corrected == pytest.approx(6 / 2**10)
    assert compare_all({"p": [result(None)]}, {"p": [result(None)]}, "new", "old") == []


def a_run(**fields: object) -> Run:
    base: dict[str, object] = {
        "id": "r1",
        "created": "2026-01-31T10:00:00+00:00",
        "edgellm": "0",
        "suites": (SuiteRecord(name="s", version="1", description="d", path="/s.toml", sha256="0", cases=1),),
        "subjects": (SubjectRecord(name="m", target="m", identity="i"),),
        "outcomes": (outcome("s", "m", [result(1)]),),
    }
    return Run(**(base | fields))  # type: ignore[arg-type]


def test_a_run_is_kept_as_it_was(tmp_path: Path) -> None:
    write_run(tmp_path, a_run())
    assert read_run(tmp_path) == a_run()
    said = Said(text="\x1b[2J\ud7ff", support=Support(claims=1, unsupported=("x",)), other="b")
    results: list[Result] = [result(0.5, said=said), result(None)]
    write_results(tmp_path, "s", 1, results)
    assert read_results(tmp_path, "s", 1) == results


def test_a_run_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(DataRejected, match=r"run\.json cannot be read"):
        read_run(tmp_path)
    with pytest.raises(DataRejected, match="cannot be read"):
        read_results(tmp_path, "s", 0)


def test_what_is_not_measured_is_said() -> None:
    general = not_measured([read_suite(SHIPPED / "general.toml")], has_baseline=False)
    assert any("injection" in each for each in general)
    assert any("baseline" in each for each in general)
    both = not_measured([read_suite(SHIPPED / name) for name in ("injection.toml", "bias.toml")], has_baseline=True)
    assert not any(word in " ".join(both) for word in ("injection", "Bias:", "baseline"))
    assert any("person" in each for each in both)


@pytest.mark.parametrize(
    ("suite", "left"),
    [
        ("injection", {"Leaks"}),
        ("leakage", {"through documents", "through tools"}),
        ("injection-documents", {"Leaks", "through tools", "users hand over"}),
        ("general", {"Leaks", "through documents", "through tools", "users hand over"}),
    ],
)
def test_an_attack_in_one_place_says_nothing_about_the_others(suite: str, left: set[str]) -> None:
    said = " ".join(not_measured([read_suite(SHIPPED / f"{suite}.toml")], has_baseline=True))
    places = {"Leaks", "through documents", "through tools", "users hand over"}
    assert {place for place in places if place in said} == left
    assert "Personal data" in said
    assert "Personal data" not in " ".join(not_measured([read_suite(SHIPPED / "privacy.toml")], has_baseline=True))
