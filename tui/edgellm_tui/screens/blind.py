"""The blind comparison: two answers at a time, judged by single keys, without a name on either."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm_tui.commands import bindings
from edgellm_tui.errors import explain
from edgellm_tui.eval_ports import Blind
from edgellm_tui.messages import Refused
from edgellm_tui.render.scores import people_lines
from edgellm_tui.screens.dialog import Dialog
from edgellm_tui.screens.first_look import FirstLook
from edgellm_tui.widgets.fields import LineField, knob
from edgellm_tui.widgets.status import KeyLine
from edgellm_tui.widgets.two_answers import TwoAnswers

if TYPE_CHECKING:
    from edgellm.evals.blind import Shown
    from edgellm_tui.app import EdgeApp

STORY = "Which answer is better? Whose they are is shown when all pairs are judged; the order is drawn for each."
NOTHING = "There is nothing to choose: both gave the same answer to every question."


class BlindScreen(Screen[None]):
    """Shows the first pair that is not judged; the next one follows the vote."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("blind")
    AUTO_FOCUS = "#blind-answers"
    IS_LEFT_AT_ONCE = True
    app: EdgeApp

    def __init__(self, blind: Blind) -> None:
        super().__init__()
        self.head = Static(id="blind-title", markup=False)
        self.story = Static(Content.styled(STORY, "$foreground 60%"), id="blind-story", markup=False)
        self.answers = TwoAnswers(id="blind-answers")
        self._blind = blind
        self._pair: Shown | None = None
        self._notes: dict[str, str] = {}
        """On the pair that is shown; kept with its vote."""
        self._is_keeping = False
        self._look = FirstLook()

    def compose(self) -> ComposeResult:
        """Title, what to do, both answers, keys."""
        yield self.head
        yield self.story
        yield self.answers
        yield KeyLine(id="blind-keys")

    def on_mount(self) -> None:
        """Read the first pair."""
        self.head.update(Content.styled(" Blind comparison", "bold $primary"))
        self._read()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Keys that judge are shown while there is something to judge."""
        return self._pair is not None or action not in ("vote", "note")

    @work(exclusive=True, group="read")
    async def _read(self) -> None:
        await self._renew()

    async def _renew(self) -> None:
        try:
            self._pair, self._notes = await self._blind.next(), {}
            if self._pair is None:
                await self._conclude()
        except EdgeLLMError as error:
            self.post_message(Refused(error))
        else:
            self._draw()

    def _draw(self) -> None:
        pair = self._pair
        self.refresh_bindings()
        self.answers.display = pair is not None
        if pair is None:
            return
        note = "   with a note" if self._notes else ""
        place = Content.styled(
            f"{pair.done + 1:,} of {pair.total:,}   {clean_line(pair.suite)}{note}", "$foreground 55%"
        )
        self.head.update(Content("   ").join([Content.styled(" Blind comparison", "bold $primary"), place]))
        self.story.update(Content.styled(STORY, "$foreground 60%"))
        self.answers.show(pair.question, [(_letter("A"), pair.left), (_letter("B"), pair.right)])
        self.answers.focus()

    async def _conclude(self) -> None:
        """All is judged: say whose answers they were."""
        from edgellm.evals.preference import People  # loaded by now, for the SDK has counted votes

        found = await self._blind.result()
        told = ": every pair is judged" if found.votes else ""
        self.head.update(Content.styled(f" Blind comparison{told}", "bold $primary"))
        if not found.votes:
            self.story.update(Content.styled(NOTHING, "$foreground 70%"))
        else:
            lines = people_lines(People(votes=found.votes, preferred=(found,)), max(self.size.width - 6, 20))
            self.story.update(Content("\n").join(lines))

    # Actions

    @work(group="vote")
    async def action_vote(self, choice: Any) -> None:
        """Keep a vote on the pair that is shown, and show the next one.

        A key that is pressed before the next pair is seen says nothing.
        """
        pair = self._pair
        if pair is not None and self._look.is_over:
            await self._keep(self._blind.vote(pair.id, choice, self._notes))

    async def _keep(self, change: Any) -> Any:
        """Await a change and show what is to be judged then; None when it was refused or another is being kept."""
        if self._is_keeping:
            change.close()
            return None
        self._is_keeping = True
        try:
            found = await change
            await self._renew()
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return None
        finally:
            self._is_keeping = False
            self._look.begin(self)
        return found

    @work(group="vote")
    async def action_undo(self) -> None:
        """Take back the last vote and show its pair again."""
        if not self._is_keeping and await self._keep(self._blind.undo()) is None:
            self.notify("There is nothing to undo", markup=False)

    @work(exclusive=True, group="dialog")
    async def action_note(self) -> None:
        """Write a line on each rubric, kept with the vote."""
        if self._pair is None:
            return
        pair = self._pair.id
        notes = await self.app.push_screen_wait(NotesForm(self._notes))
        if notes is not None and self._pair is not None and self._pair.id == pair:
            self._notes = notes
            self._draw()

    def action_leave(self) -> None:
        """Close; every vote is kept already."""
        self.workers.cancel_node(self)
        self.pop_until_active()  # the help may lie above
        self.dismiss(None)


class NotesForm(Dialog[dict[str, str]]):
    """One line a rubric."""

    KEYS = "↑↓ move   Enter keeps them for your vote   Esc leaves it"

    def __init__(self, notes: dict[str, str]) -> None:
        super().__init__("Notes on this pair")
        self._notes = notes

    def compose_body(self) -> ComposeResult:
        """Every rubric."""
        from edgellm.evals.blind import RUBRICS

        for rubric in RUBRICS:
            field = LineField(self._notes.get(rubric, ""), id=f"note-{rubric}", compact=True)
            yield from knob(rubric.capitalize(), field)
        yield Static(id="knob-help", markup=False)

    def on_descendant_focus(self) -> None:
        """What the rubric in focus asks."""
        from edgellm.evals.blind import RUBRICS

        rubric = (self.focused.id or "").removeprefix("note-") if self.focused else ""
        self._say(RUBRICS.get(rubric, ""))

    def key_down(self) -> None:
        """The line below."""
        self.focus_next()

    def key_up(self) -> None:
        """The line above."""
        self.focus_previous()

    def on_input_submitted(self) -> None:
        """Answer with what was written."""
        from edgellm.sdk.blind import checked_notes

        written = {(field.id or "").removeprefix("note-"): field.value for field in self.query(Input)}
        try:
            self.dismiss(checked_notes(written))
        except EdgeLLMError as error:
            self._say(explain(error))

    def _say(self, text: str) -> None:
        self.query_one("#knob-help", Static).update(Content(text))


def _letter(letter: str) -> Content:
    return Content.styled(letter, "bold $text-secondary")
