"""One evaluation: scores with intervals, worst cases with both answers, what people preferred."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm_tui.commands import bindings
from edgellm_tui.messages import Refused
from edgellm_tui.ports import Edge
from edgellm_tui.render.scores import measure_lines, people_lines, score_lines
from edgellm_tui.widgets.sections import Sections
from edgellm_tui.widgets.status import KeyLine
from edgellm_tui.widgets.two_answers import TwoAnswers
from edgellm_tui.worst import Worst, worst_of

if TYPE_CHECKING:
    from edgellm.evals.preference import People
    from edgellm.evals.run import Run
    from edgellm_tui.app import EdgeApp

SECTIONS = {"scores": "Scores", "worst": "Worst cases", "people": "People"}
NO_WORST = "There is no worst case: nothing was lost against the baseline, or nothing was wrong."
BESIDE = 9
"""Cells that margins and the scroll bar take."""
NOBODY_YET = (
    "Nobody has judged these answers yet. b begins: two answers at a time, without names, each decided with one key."
)
ALONE = "This run has one model, and nothing to compare it with. Evaluate with a baseline; b then compares blindly."


class EvaluationScreen(Screen[None]):
    """A title, a line of sections, and the chosen one below."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("evaluation")
    IS_LEFT_AT_ONCE = True
    AUTO_FOCUS = "#evaluation-scroll"
    app: EdgeApp

    def __init__(self, edge: Edge, run: Run) -> None:
        super().__init__()
        self.sections = Sections(SECTIONS, "scores", id="evaluation-sections")
        self.scroll = VerticalScroll(id="evaluation-scroll")
        self.text = Static(id="evaluation-text", markup=False)
        self.place = Static(id="evaluation-place", markup=False)
        self.answers = TwoAnswers(id="evaluation-answers")
        self._edge, self._run = edge, run
        self._worst: Sequence[Worst] | None = None
        self._at = 0
        self._people: People | None = None

    def compose(self) -> ComposeResult:
        """Title, sections, one of them, keys."""
        names = [clean_line(each.name) for each in self._run.subjects]
        against = f"   against {', '.join(names[1:])}" if names[1:] else ""
        title = Content.assemble((f" {names[0]}", "bold $primary"), (against, "$foreground 55%"))
        yield Static(title, id="evaluation-title", markup=False)
        yield self.sections
        with self.scroll:
            yield self.text
        yield self.place
        yield self.answers
        yield KeyLine(id="evaluation-keys")

    def on_mount(self) -> None:
        """Scores are there at once; the rest is read."""
        self._draw()
        self._read()

    def on_resize(self) -> None:
        """Lines are broken anew."""
        self._draw()

    def on_screen_resume(self) -> None:
        """Somebody may have voted."""
        self._read()

    @work(exclusive=True, group="read")
    async def _read(self) -> None:
        try:
            if self._worst is None:
                self._worst = await worst_of(self._edge, self._run)
            if len(self._run.subjects) > 1:
                self._people = await self._edge.evals.people(self._run.id)
        except EdgeLLMError as error:
            self.post_message(Refused(error))
        self._draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Keys are shown where they do something."""
        if action == "case":
            return self.sections.chosen == "worst" and len(self._worst or ()) > 1
        if action == "blind":
            return len(self._run.subjects) > 1
        if action == "export":
            return self._people is not None and bool(self._people.votes)
        return True

    @on(Sections.Chosen)
    def _draw(self) -> None:
        section = self.sections.chosen
        shows_answers = section == "worst" and bool(self._worst)
        self.scroll.display = not shows_answers
        self.answers.display = self.place.display = shows_answers
        if shows_answers:
            self._draw_case()
            self.answers.focus()
        else:
            self.text.update(Content("\n").join(self._lines(section, max(self.size.width - BESIDE, 20))))
            self.scroll.focus()
        self.refresh_bindings()

    def _lines(self, section: str, width: int) -> Sequence[Content]:
        if section == "scores":
            return [*score_lines(self._run, width), *measure_lines(self._run, width)]
        if section == "worst":
            return [Content.styled("Reading …" if self._worst is None else NO_WORST, "$foreground 70%")]
        if self._people is not None and self._people.votes:
            return people_lines(self._people, width)
        return Content.styled(NOBODY_YET if len(self._run.subjects) > 1 else ALONE, "$foreground 70%").wrap(width)

    def _draw_case(self) -> None:
        worst = self._worst or ()
        case = worst[self._at]
        place = f"{self._at + 1} of {len(worst)}   {case.suite} {case.case_id}"
        self.place.update(Content.styled(clean_line(place), "$foreground 55%"))
        self.answers.show(case.question, [(_head(side.name, side.said), side.text) for side in case.sides])

    # Actions

    def action_section(self, step: int) -> None:
        """Show the section before or after."""
        self.sections.step(step)

    def action_case(self, step: int) -> None:
        """Show the worst case before or after."""
        if self._worst:
            self._at = (self._at + step) % len(self._worst)
            self._draw_case()

    @work(exclusive=True, group="dialog")
    async def action_blind(self) -> None:
        """Judge the answers blindly."""
        from edgellm_tui.screens.blind import BlindScreen

        try:
            blind = await self._edge.evals.blind(self._run.id)
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        await self.app.push_screen_wait(BlindScreen(blind))
        self.sections.action_choose("people")

    @work(exclusive=True, group="report")
    async def action_report(self) -> None:
        """Say where the report is, and copy its path."""
        try:
            path = await self._edge.evals.report(self._run.id)
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        self.app.copy_to_clipboard(str(path))
        self.notify(f"The report is {clean_line(str(path))}; its path is copied", timeout=8, markup=False)

    @work(exclusive=True, group="dialog")
    async def action_export(self) -> None:
        """Write the votes to a new file."""
        from edgellm_tui.export import new_file_name, write_new
        from edgellm_tui.screens.dialog import AskLine

        suggested = new_file_name(f"votes-{self._run.id[:8]}", "csv")
        name = await self.app.push_screen_wait(AskLine("Votes as FILE.csv or FILE.jsonl", suggested))
        if not name:
            return
        try:
            text = await self._edge.evals.export(self._run.id, "jsonl" if name.endswith(".jsonl") else "csv")
            path = await write_new(name, text.encode())
        except EdgeLLMError as error:
            self.post_message(Refused(error))
        else:
            self.notify(f"Written to {clean_line(str(path))}", markup=False)

    def action_leave(self) -> None:
        """Close."""
        self.workers.cancel_node(self)
        self.pop_until_active()  # the help may lie above
        self.dismiss(None)


def _head(name: str, said: str) -> Content:
    return Content.assemble((clean_line(name), "bold $text-secondary"), (f"  {clean_line(said)}", "$foreground 60%"))
