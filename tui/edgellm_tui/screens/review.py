"""The review: drafted pairs one at a time, each decided with a single key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import work
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
from edgellm_tui.render.review import counts_line, drafts_line, pair_content
from edgellm_tui.screens.dialog import AskText, Pick, Row
from edgellm_tui.screens.first_look import FirstLook
from edgellm_tui.widgets.status import KeyLine

if TYPE_CHECKING:
    from edgellm.data.drafts import DraftSet, Pair
    from edgellm_tui.app import EdgeApp

ALL_DECIDED = "Every pair is decided. What was accepted and edited can be taught: add drafts:{name} to a dataset."
NONE_SUPPORTED = "The checks let no pair of these drafts pass."


class PickDrafts(Pick):
    """Answers with the name of a draft set."""

    def __init__(self, found: Sequence[DraftSet]) -> None:
        rows = [Row(drafts.name, drafts_line(drafts), clean_line(drafts.name)) for drafts in found]
        super().__init__("Review which drafts?", rows)


class ReviewScreen(Screen[None]):
    """Shows the first pending pair; the next one follows when it is decided."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("review")
    AUTO_FOCUS = "#review-scroll"
    IS_LEFT_AT_ONCE = True
    app: EdgeApp

    def __init__(self, edge: Edge, name: str) -> None:
        super().__init__()
        self.head = Static(id="review-title", markup=False)
        self.text = Static(id="review-text", markup=False)
        self._edge = edge
        self._drafts = name
        self._found: DraftSet | None = None
        self._decided: list[str] = []
        """Ids of the pairs that were decided here, the last one at the end."""
        self._is_keeping = False
        self._look = FirstLook()

    def compose(self) -> ComposeResult:
        """Title, pair, keys."""
        yield self.head
        with VerticalScroll(id="review-scroll"):
            yield self.text
        yield KeyLine(id="review-keys")

    def on_mount(self) -> None:
        """Read the drafts."""
        self.text.loading = True
        self._read()

    @property
    def pair(self) -> Pair | None:
        """The pair that is shown: the first pending one."""
        pairs = self._found.supported if self._found else []
        return next((pair for pair in pairs if pair.status == "pending"), None)

    @work(exclusive=True, group="read")
    async def _read(self) -> None:
        await self._renew()

    async def _renew(self) -> None:
        try:
            self._found = await self._edge.drafts.open(self._drafts)
        except EdgeLLMError as error:
            self.post_message(Refused(error))
        self.text.loading = False
        self._draw()

    def _draw(self) -> None:
        counts = self._found.counts if self._found else None
        shown = [Content.styled(f" {clean_line(self._drafts)}", "bold $primary")]
        if counts is not None:
            refused = counts.drafted - counts.supported
            told = counts_line(counts) + (f"  {refused:,} refused by the checks" if refused else "")
            shown.append(Content.styled(told, "$foreground 55%"))
        self.head.update(Content("   ").join(shown).truncate(max(self.size.width, 1), ellipsis=True))
        if self.pair is not None:
            self.text.update(pair_content(self.pair))
        elif counts is not None:
            told = ALL_DECIDED.format(name=clean_line(self._drafts)) if counts.supported else NONE_SUPPORTED
            self.text.update(Content.styled(told, "$foreground 70%"))
        self.query_one(VerticalScroll).scroll_home(animate=False)

    # Actions

    @work(group="decide")
    async def action_decide(self, status: str) -> None:
        """Keep a decision about the pair that is shown, and show the next one."""
        pair = self.pair
        if pair is not None and self._look.is_over and await self._keep(pair.id, status):
            self._look.begin(self)
            self._decided.append(pair.id)

    async def _keep(self, pair_id: str, status: str, question: str = "", answer: str = "") -> bool:
        """Keep a decision and show what is pending then; False when it was refused.

        A key that is pressed before the next pair is seen decides nothing.
        """
        if self._is_keeping:
            return False
        self._is_keeping = True
        try:
            await self._edge.drafts.decide(self._drafts, pair_id, status, question=question, answer=answer)
            await self._renew()
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return False
        finally:
            self._is_keeping = False
        return True

    @work(exclusive=True, group="dialog")
    async def action_edit(self) -> None:
        """Write other words for question and answer."""
        pair = self.pair
        if pair is None:
            return
        question = await self.app.push_screen_wait(AskText("The question", pair.question))
        answer = None if question is None else await self.app.push_screen_wait(AskText("The answer", pair.answer))
        if question is None or answer is None:
            return
        if await self._keep(pair.id, "edited", question, answer):
            self._decided.append(pair.id)

    @work(group="decide")
    async def action_undo(self) -> None:
        """Make the last decision of this review pending again."""
        if not self._decided:
            self.notify("There is nothing to undo", markup=False)
            return
        if await self._keep(self._decided[-1], "pending"):
            self._decided.pop()

    def action_leave(self) -> None:
        """Close."""
        self.workers.cancel_node(self)
        self.pop_until_active()  # the help may lie above
        self.dismiss(None)
