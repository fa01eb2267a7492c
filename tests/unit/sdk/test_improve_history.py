"""Versions of an alias: those of the loop, those set by hand, live or not; pure."""

from __future__ import annotations

from edgellm.evals.values import Result, Said
from edgellm.sdk.improve_history import VersionState, evidence, versions
from edgellm.sdk.improve_run import ImproveRequest, ImproveRun, Score
from edgellm.store import AliasChange


def change(target: str | None, at: float) -> AliasChange:
    return AliasChange(name="assistant", target=target, actor="local", at=at)


def run(number: int, at: float, *, passed: bool | None = True) -> ImproveRun:
    request = ImproveRequest(
        alias="assistant", tenant="", live="starter", base="starter", candidate=f"assistant-v{number}", policy="p"
    )
    score = Score(suite="corrected", mean=0.9, low=0.8, high=0.95, before=0.2, word="better")
    return ImproveRun(
        id=f"r{number}",
        created=at,
        request=request,
        learnt=("a", "b"),
        new=1,
        replayed=3,
        evaluation=f"e{number}",
        passed=passed,
        scores=(score,),
    )


def test_every_state_a_version_can_have() -> None:
    changes = [change("starter@assistant-v1", 30.0), change("starter", 10.0)]
    runs = [run(3, 50.0, passed=False), run(2, 40.0), run(1, 20.0), run(4, 60.0, passed=None)]
    found = versions(changes, runs, {"e1": "/r.html"})
    assert [(each.number, each.target, str(each.state)) for each in found] == [
        (4, "starter@assistant-v3", "refused"),
        (3, "starter@assistant-v2", "proposed"),
        (2, "starter@assistant-v1", "live"),
        (1, "starter", "earlier"),
    ]
    live = found[2]
    assert (live.live_since, live.run, live.new, live.rows, live.report) == (30.0, "r1", 1, 5, "/r.html")
    assert live.corrected is not None
    assert live.corrected.word == "better"
    assert found[3].corrected is None


def test_rolled_back_the_old_version_is_live_again() -> None:
    changes = [change("starter", 40.0), change("starter@assistant-v1", 30.0), change("starter", 10.0)]
    found = versions(changes, [run(1, 20.0)], {})
    assert [(each.target, each.state) for each in found] == [
        ("starter@assistant-v1", VersionState.EARLIER),
        ("starter", VersionState.LIVE),
    ]
    assert found[1].live_since == 40.0


def test_an_alias_that_was_removed_has_no_live_version() -> None:
    found = versions([change(None, 20.0), change("starter", 10.0)], [], {})
    assert [each.state for each in found] == [VersionState.EARLIER]


def result(case: str, text: str, value: float, category: str = "as asked") -> Result:
    return Result(
        case_id=case,
        category=category,
        group="a",
        sample=0,
        question="Why?",
        value=value,
        reason="",
        measures={},
        said=Said(text=text),
    )


def test_answers_stand_side_by_side() -> None:
    ours = [result("a", "Because.", 1.0), result("a-1", "So.", 0.5, "in other words")]
    found = evidence(ours, [result("a", "No idea.", 0.0)], {"a": "Because.", "a-1": "Because."})
    assert [(each.before, each.after, each.expected, each.is_reworded) for each in found] == [
        ("No idea.", "Because.", "Because.", False),
        ("", "So.", "Because.", True),
    ]
