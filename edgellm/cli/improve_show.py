"""The loop as a command shows it: plan, stages, scores, answers before and after, versions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from edgellm.cli.ids import SHOWN
from edgellm.cli.style import Part, bad, bold, dim, good, warn
from edgellm.cli.table import Column
from edgellm.cli.units import clock, count, moment
from edgellm.cli.world import World
from edgellm.safetext import clean_line
from edgellm.sizes import size

if TYPE_CHECKING:
    from edgellm.sdk.improve_history import Evidence, Version
    from edgellm.sdk.improve_plan import ImprovePlan
    from edgellm.sdk.improve_run import ImproveRun, Score

STATES = {"live": good, "earlier": dim, "proposed": bold, "refused": bad}
FEW = 5
"""Answers before and after that a command shows; the report has all."""


def show_plan(world: World, plan: ImprovePlan, *, as_data: bool) -> None:
    """What a run would do, and what speaks against it."""
    if as_data:
        world.out.json(plan)
        return
    request, lessons = plan.request, plan.lessons
    waiting = ", ".join(f"{number} {reason.replace('_', ' ')}" for reason, number in plan.waiting.items())
    again = f", {count(lessons.replayed, 'earlier row')} again" if lessons.replayed else ""
    facts: list[tuple[str, Part]] = [
        ("candidate", bold(request.target)),
        ("live", f"{request.alias} is {request.live}"),
        ("learns from", f"{_material(plan)} ({lessons.new} new){again}"),
        ("how", f"{request.objective}: {plan.why}"),
        ("begins with", plan.begins_with),
        ("undecided", waiting),
        ("documents", ", ".join(request.collections)),
        ("asks", f"{', '.join(plan.suites)}; {count(lessons.corrected, 'corrected question')}"),
        ("time", _time(plan)),
        ("memory", _memory(plan)),
        ("then", "it goes live if the gate lets it" if request.promotes else "it is proposed; a person decides"),
    ]
    world.out.facts([fact for fact in facts if fact[1]])
    for says in plan.held:
        world.err.warn(f"held: {says}")
    for refusal in plan.refusals:
        world.err.line(bad("refused: "), refusal.message)
        world.err.line(dim("hint:  "), refusal.hint)


def show_run(world: World, run: ImproveRun, evidence: Sequence[Evidence], *, state: str, as_data: bool) -> None:
    """The stages, the scores, some answers, the verdict."""
    if as_data:
        plain = msgspec.to_builtins(run)
        world.out.json({**plain, "target": run.request.target, "state": state, "evidence": evidence})
        return
    header = [Column("STAGE"), Column("STATE"), Column("", flexible=True)]
    world.out.table(header, [(stage.name, _stage(str(stage.state), state), dim(stage.note)) for stage in run.stages])
    _show_scores(world, run)
    changed = [each for each in evidence if each.value > each.before_value]
    for each in changed[:FEW]:
        world.out.hanging((bold("asked   "),), clean_line(each.question))
        world.out.hanging((dim("before  "),), clean_line(each.before))
        world.out.hanging((good("now     "),), clean_line(each.after))
    for rule in run.rules:
        if not rule.holds:
            world.out.line(bad("fails"), "  ", bold(rule.suite), f"  {rule.rule}: {rule.found}")
    if run.passed is None:
        return
    target = run.request.target
    if run.promoted:
        world.out.line(good("live"), "  ", bold(run.request.alias), f"  is {target}")
    elif run.passed:
        world.out.line(good("proposed"), "  ", bold(target))
        world.err.note(f"Let it go live: edgellm improve promote {run.id[:SHOWN]}")
    else:
        world.out.line(bad("not proposed"), "  ", bold(target))
    world.err.note(f"The answers side by side: edgellm eval report {run.evaluation[:SHOWN]}")


def show_history(world: World, versions: Sequence[Version], *, as_data: bool) -> None:
    """Versions with their scores, newest first."""
    if as_data:
        world.out.json(versions)
        return
    now = time.time()
    header = [
        Column("VERSION", right=True),
        Column("STATE"),
        Column("AT"),
        Column("TARGET"),
        Column("NEW", right=True),
        Column("ROWS", right=True),
        Column("CORRECTED (95 %)"),
        Column("RUN"),
        Column("REST", flexible=True),
    ]
    rows = [
        (
            str(each.number),
            STATES[each.state](str(each.state)),
            dim(moment(each.at, now)),
            bold(each.target),
            str(each.new) if each.run else "",
            str(each.rows) if each.run else "",
            in_words(each.corrected) if each.corrected else "",
            dim(each.run[:SHOWN]),
            dim(", ".join(f"{score.suite}: {score.word}" for score in each.scores if score.suite != "corrected")),
        )
        for each in versions
    ]
    world.out.table(header, rows)


def in_words(score: Score) -> str:
    """`96.2 % (90.1 to 98.8), was 12.0 %`."""
    before = "" if score.before is None else f", was {100 * score.before:.1f} %"
    return f"{100 * score.mean:.1f} % ({100 * score.low:.1f} to {100 * score.high:.1f}){before}"


def _show_scores(world: World, run: ImproveRun) -> None:
    if run.scores:
        header = [Column("SUITE"), Column("SCORE (95 %)"), Column("", flexible=True)]
        world.out.table(header, [(bold(each.suite), in_words(each), _word(each.word)) for each in run.scores])


def _word(word: str) -> Part:
    return good(word) if word == "better" else bad(word) if word == "worse" else dim(word)


def _stage(stage: str, job: str) -> Part:
    """A stage that was being done when its run ended has broken off."""
    if stage == "running" and job in ("failed", "cancelled"):
        return warn("broke off" if job == "failed" else "stopped")
    return good(stage) if stage == "done" else bold(stage) if stage == "running" else dim(stage)


def _material(plan: ImprovePlan) -> str:
    """`30 answers`, or what an objective learns from in their place."""
    if plan.request.objective == "sft":
        return count(plan.lessons.rows, "answer")
    if plan.request.objective == "kto":
        return count(plan.lessons.thumbs, "judged answer")
    return count(plan.lessons.pairs, "pair")


def _time(plan: ImprovePlan) -> str:
    if plan.steps is None:
        return ""
    if plan.seconds is None:
        return f"about {plan.steps} steps of training; how long one takes here is not known yet"
    return f"about {plan.steps} steps of training, {clock(plan.seconds)} by the newest run here; then the questions"


def _memory(plan: ImprovePlan) -> str:
    if plan.memory_bytes is None:
        return f"{size(plan.available_bytes)} are free; what it needs is checked before it learns"
    return f"{size(plan.memory_bytes)} by the newest run here, {size(plan.available_bytes)} are free"
