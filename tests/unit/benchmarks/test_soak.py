"""The soak: what it asks, and how it sums up what it saw."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from benchmarks.serving import LOADS, TARGETS, TRIAL_LOADS
from benchmarks.soak import (
    EARLY,
    FIRST_HALF,
    LATE,
    PERIODS,
    SECOND_HALF,
    Asked,
    Reading,
    Soak,
    kept_bytes,
    report,
    request,
)


def soak(growth_mib: float) -> Soak:
    """One request and one reading a second for ten minutes, the server growing all the time."""
    made = Soak("http://127.0.0.1:1", "starter")
    for second in range(600):
        made.asked.append(Asked(second, 2.0, 0.5, "answered" if second % 10 else "left"))
        made.readings.append(Reading(second, 100 + growth_mib * second / 600, 200, second / 10, 40, 30))
    return made


def test_periods_hold_medians_of_their_time() -> None:
    found = report(soak(100), 10, is_trial=False)
    assert list(found.arms)[PERIODS:] == [FIRST_HALF, SECOND_HALF]
    assert found.arms[EARLY]["server"].median == pytest.approx(115, abs=1)
    assert found.arms[LATE]["server"].median == pytest.approx(195, abs=1)
    assert (found.arms[EARLY]["p50"].median, found.arms[EARLY]["requests"].median) == (2.0, 60)
    assert "540 answered, 60 left" in found.what
    assert len(found.as_json()["settings"]["readings"]) == 120


@pytest.mark.parametrize(("growth_mib", "verdict"), [(0, "reached"), (100, "below the floor")])
def test_a_server_that_grows_is_below_the_floor(growth_mib: float, verdict: str) -> None:
    ratios = {ratio.target.metric: ratio.verdict for ratio in report(soak(growth_mib), 10, is_trial=False).ratios}
    assert ratios["server"] == verdict
    assert ratios["descriptors"] == ratios["threads"] == "reached"


def test_latency_is_compared_between_halves() -> None:
    made = soak(0)
    made.asked = [replace(each, seconds=2.0 + (each.at_s >= 360) + each.at_s // 60 % 2) for each in made.asked]
    ratio = next(ratio for ratio in report(made, 10, is_trial=False).ratios if ratio.target.metric == "p50")
    assert ratio.value == pytest.approx(0.75)  # the median of 3/3, 2/4, 3/3 and 2/4


def test_what_is_kept_is_read_from_the_servers_own_figures() -> None:
    lines = [
        f'edgellm_engine_host_cache_bytes{{model="{name}"}} {held}' for name, held in (("one", 3_000), ("two", 500))
    ]
    text = "\n".join(["# TYPE edgellm_engine_host_cache_bytes gauge", *lines, "edgellm_requests_open 7", ""])
    assert kept_bytes(text) == 3_500


def test_a_part_without_requests_is_left_empty() -> None:
    made = soak(0)
    made.asked = [each for each in made.asked if each.at_s < 300]
    assert "p50" not in report(made, 10, is_trial=False).arms[LATE]
    assert "| part 10 of 10 |" in report(made, 10, is_trial=False).table()


def test_every_dialect_is_asked() -> None:
    asked = [request("starter", random.Random(1), turn) for turn in range(20)]
    assert {path for path, _ in asked} >= {"/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/responses"}
    assert {body["model"] for _, body in asked} == {"starter"}


def test_what_serving_is_held_against_is_measured() -> None:
    assert set(LOADS) == set(TRIAL_LOADS)
    measured = {f"{metric}, {number}" for number in LOADS for metric in ("decode", "throughput", "first token", "gap")}
    assert {target.metric for target in TARGETS} <= measured
