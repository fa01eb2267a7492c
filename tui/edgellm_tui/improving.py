"""The loop's stages and versions as the Improve page shows them: words and lines, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content

from edgellm.events import JobEvent, Progressed
from edgellm.safetext import clean_line
from edgellm.sizes import size
from edgellm_tui.render import meter

if TYPE_CHECKING:
    from edgellm.sdk.improve_history import Evidence, Version
    from edgellm.sdk.improve_plan import ImprovePlan
    from edgellm.sdk.improve_run import ImproveRun, Score
    from edgellm.store.records import StoredJob

DIM, FAINT = "$foreground 70%", "$foreground 55%"
NUMBER, STATE, TARGET, NEW, ROWS, SCORE, BEFORE, AGE = 3, 9, 22, 4, 5, 14, 6, 7
BROKEN = ("failed", "cancelled")
_STATES: Mapping[str, str] = {
    "live": "$text-success",
    "earlier": FAINT,
    "proposed": "$primary",
    "refused": "$text-error",
}
_WORDS: Mapping[str, str] = {"better": "$text-success", "worse": "$text-error"}
_DOING: Mapping[str, str] = {
    "collect": "collects what was accepted",
    "dataset": "makes the dataset",
    "documents": "reads new documents",
    "train": "learns",
    "evaluate": "answers the questions",
    "gate": "asks the gate",
    "propose": "proposes",
}


@dataclass(frozen=True, slots=True)
class LoopState:
    """What is known of an alias's newest run at one moment."""

    run: ImproveRun | None = None
    job: StoredJob | None = None
    event: JobEvent | None = None
    """The newest one of the job."""

    @property
    def is_active(self) -> bool:
        """Whether the run goes on."""
        return self.job is not None and self.job.is_active

    @property
    def is_broken(self) -> bool:
        """Whether it ended before its last stage."""
        return self.job is not None and str(self.job.state) in BROKEN


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version in the list."""

    name: str
    """Number of the version, as text."""
    version: Version
    age: str

    def line(self) -> Content:
        """What `HEAD` names."""
        version = self.version
        score = version.corrected
        return Content("").join(
            [
                _number(str(version.number), NUMBER),
                Content("  "),
                _cell(str(version.state), STATE, _STATES[str(version.state)]),
                _cell(_end(version.target), TARGET, "bold" if version.state == "live" else DIM),
                _number(str(version.new) if version.run else "", NEW),
                _number(str(version.rows) if version.run else "", ROWS),
                _number(percent(score) if score else "", SCORE, "bold"),
                _number("" if score is None or score.before is None else f"{100 * score.before:.0f} %", BEFORE, FAINT),
                _number(self.age, AGE, FAINT),
            ]
        )


HEAD = Content.styled(
    f"{'No':>{NUMBER}}  {'State':<{STATE}}{'Model':<{TARGET}}{'New':>{NEW}}{'Rows':>{ROWS}}"
    f"{'Corrected':>{SCORE}}{'Was':>{BEFORE}}{'':>{AGE}}",
    FAINT,
)
"""Above the columns."""


def version_rows(versions: Sequence[Version], now: float) -> list[VersionRow]:
    """Versions as lines, newest first; `now` in seconds since the epoch."""
    return [VersionRow(str(each.number), each, meter.ago(now - each.at)) for each in versions]


def percent(score: Score) -> str:
    """`96 % (90–99)`."""
    return f"{100 * score.mean:.0f} % ({100 * score.low:.0f}–{100 * score.high:.0f})"


def stages(state: LoopState) -> Content:
    """`✓ collect  ✓ dataset  – documents  ◐ train  ○ evaluate  ○ gate  ○ propose`."""
    if state.run is None:
        return Content.styled("No run yet.", FAINT)
    return Content("  ").join([_stage(str(each.name), str(each.state), state) for each in state.run.stages])


def _stage(name: str, stage: str, state: LoopState) -> Content:
    if stage == "running" and not state.is_active:
        mark, colour = "✗", "$text-error"
    else:
        marks = {"done": ("✓", "$text-success"), "skipped": ("–", FAINT), "running": ("◐", "bold $primary")}
        mark, colour = marks.get(stage, ("○", FAINT))
    return Content.assemble((f"{mark} {name}", colour))


def doing(state: LoopState, said: str = "") -> Content:
    """What the run does, how it ended, or why it broke off. `said`: the job's message in the app's words."""
    run = state.run
    if run is None:
        return Content.styled("n plans the first one: it learns from what was accepted in the review queue.", DIM)
    target = clean_line(run.request.target)
    stage = run.current
    if state.is_active and stage is not None:
        return _progress(f"{target} {_DOING[stage.name]}", state.event)
    if stage is not None:
        where = f"{target}: {'stopped' if state.job and str(state.job.state) == 'cancelled' else 'broke off'}"
        return Content.assemble((f"{where} at {stage.name}; r goes on there. ", "$text-warning"), (said, DIM))
    if run.passed:
        return Content.assemble((f"{target} passed the gate: every rule holds.", "$text-success"))
    failed = [rule for rule in run.rules if not rule.holds]
    why = "; ".join(f"{clean_line(rule.suite)}: {clean_line(rule.found)}" for rule in failed)
    return Content.assemble((f"{target} did not pass. ", "$text-error"), (why, DIM))


def _progress(words: str, event: JobEvent | None) -> Content:
    if not isinstance(event, Progressed) or not event.total:
        return Content.assemble((f"{words} …", "$primary"))
    left = f"  {meter.seconds(event.left_s)} left" if event.left_s is not None else ""
    bar = meter.bar(event.done / event.total, 12)
    numbers = f"  {event.done:,.0f} of {event.total:,.0f}{left}"
    return Content.assemble((f"{words}  ", "$primary")) + bar + Content.styled(numbers, DIM)


def scores(version: Version | None) -> list[Content]:
    """All scores of a version, and the rules that did not hold; a line each."""
    if version is None:
        return []
    if not version.run:
        return [Content.styled("Set by hand: the loop has not measured it.", FAINT)]
    widest = max((len(clean_line(each.suite)) for each in version.scores), default=0)
    lines = [_score(each, widest) for each in version.scores]
    broken = [rule for rule in version.rules if not rule.holds]
    lines += [
        Content.styled(
            f"✗ {clean_line(rule.suite)} must be {clean_line(rule.rule)}: {clean_line(rule.found)}", "$text-error"
        )
        for rule in broken
    ]
    against = f", compared with {clean_line(version.compared)}" if version.compared else ""
    return [Content.styled(f"Scores of {clean_line(version.target)}{against}", FAINT), *lines]


def _score(score: Score, cells: int) -> Content:
    was = "" if score.before is None else f"  was {100 * score.before:.1f} %"
    return Content.assemble(
        (f"{clean_line(score.suite):<{cells}}", DIM),
        (f"  {100 * score.mean:5.1f} %", "bold"),
        (f" ({100 * score.low:.1f} to {100 * score.high:.1f}){was}  ", FAINT),
        (score.word, _WORDS.get(score.word, FAINT)),
    )


def evidence_lines(found: Sequence[Evidence], version: Version) -> list[Content]:
    """Corrected questions with the answers before and after; those in words that were not learnt are marked."""
    lines = [
        Content.styled(
            "The same questions were learnt from: this shows that the corrections took hold, not how others are "
            "answered. ◇ marks words that were not learnt.",
            DIM,
        ),
        Content(""),
    ]
    for each in found:
        mark = "◇ " if each.is_reworded else ""
        lines += [
            Content.styled(f"{mark}{clean_line(each.question)}", "bold"),
            Content.assemble((f"wanted  {clean_line(each.expected)}", FAINT)),
            Content.assemble(
                ("before  ", FAINT), clean_line(each.before) or "nothing", (f"  {each.before_value:.0%}", FAINT)
            ),
            Content.assemble(("now     ", "$text-success"), clean_line(each.after), (f"  {each.value:.0%}", FAINT)),
            Content(""),
        ]
    return [*lines, *scores(version), Content(""), Content.styled(f"Everything: {clean_line(version.report)}", FAINT)]


def plan_lines(plan: ImprovePlan, in_app: Mapping[str, str]) -> list[Content]:
    """What speaks against a plan, then the plan in words; `in_app`: refusals and hints as the app says them."""
    request, lessons = plan.request, plan.lessons
    again = f", {lessons.replayed:,} earlier ones again" if lessons.replayed else ""
    waiting = ", ".join(f"{number} {reason.replace('_', ' ')}" for reason, number in plan.waiting.items())
    facts = [
        ("makes", request.target),
        ("live", request.live),
        ("learns from", f"{lessons.rows:,} answers, {lessons.new:,} of them new{again}"),
        ("how", plan.why),
        ("begins with", plan.begins_with),
        ("undecided", waiting),
        ("documents", ", ".join(request.collections)),
        ("asks", f"{', '.join(plan.suites)}; {lessons.corrected:,} corrected questions"),
        ("time", _time(plan)),
        ("memory", _memory(plan)),
    ]
    lines = []
    for refusal in plan.refusals:
        lines.append(Content.styled(in_app.get(refusal.message, clean_line(refusal.message)), "$text-error"))
        lines.append(Content.styled(in_app.get(refusal.hint, clean_line(refusal.hint)), DIM))
    lines += [Content("")] * bool(lines)
    lines += [Content.assemble((f"{name:<13}", FAINT), clean_line(value)) for name, value in facts if value]
    lines += [Content.styled(f"held: {clean_line(says)}", "$text-warning") for says in plan.held]
    return lines


def _time(plan: ImprovePlan) -> str:
    if plan.steps is None:
        return ""
    known = "not known here yet" if plan.seconds is None else f"about {meter.seconds(plan.seconds)}, then the questions"
    return f"about {plan.steps:,} steps of training, {known}"


def _memory(plan: ImprovePlan) -> str:
    free = f"{size(plan.available_bytes)} are free"
    return free if plan.memory_bytes is None else f"{size(plan.memory_bytes)} by the newest run here, {free}"


def _end(target: str) -> str:
    """A name that is too long keeps its end, which tells versions apart."""
    name = clean_line(target)
    return name if len(name) < TARGET else f"…{name[2 - TARGET :]}"


def _cell(text: str, cells: int, look: str) -> Content:
    shown = Content.styled(clean_line(text), look).truncate(cells - 1, ellipsis=True)
    return shown + Content(" " * (cells - shown.cell_length))


def _number(text: str, cells: int, look: str = DIM) -> Content:
    return Content.styled(f"{text:>{cells}}", look)
