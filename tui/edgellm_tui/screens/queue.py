"""The review queue: what people said about answers and what failed, each decided with a single key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.worker import WorkerCancelled

from edgellm.errors import EdgeLLMError
from edgellm_tui.commands import bindings
from edgellm_tui.messages import Refused
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.queued import DECIDED, HEAD, NEEDS_WORDS, WORDS, QueueRow, counts_line
from edgellm_tui.render.queue import item_content
from edgellm_tui.screens.dialog import AskText, Pick, Row
from edgellm_tui.screens.first_look import FirstLook
from edgellm_tui.screens.listing import RowsPage
from edgellm_tui.screens.merge import MergeDialog

if TYPE_CHECKING:
    from edgellm.sdk.reviews import Masked
    from edgellm.store import ReviewItem

MOST_SHOWN = 100
"""Items in the list; the next ones follow when these are decided."""
EMPTY = (
    "Nothing waits for a decision.",
    "",
    "Answers come here when somebody rates them (F9, F10 in the chat), corrects them (F11) or asks again (F5); "
    "when a client of the server does so; and by themselves when documents held nothing near a question, when a form "
    "that was asked for could not be kept, or when a tool failed.",
    "",
    "You decide what a model learns from. Personal data is masked. Nothing leaves this computer.",
)
NONE_OF_THESE = "There is nothing of this kind. Press f to look at something else."


class QueuePage(RowsPage[QueueRow]):
    """List left, the item right (below on narrow screens). A decision shows the next item."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("queue")
    ENTER = "read"
    NEED_AN_ITEM = frozenset({"accept", "edit", "reject", "merge", "read"})

    def __init__(self, edge: Edge, preferences: Preferences, *, id: str | None = None) -> None:
        super().__init__(edge, preferences, id=id)
        self.state = Static(id="queue-state", markup=False)
        self.details = VerticalScroll(id="queue-details")
        self.text = Static(id="queue-text", markup=False)
        self._counts: Mapping[str, int] = {}
        self._keys: Mapping[str, str] = {}
        self._looked_at = ""
        """A reason, or a state of decided items; empty: all that is open."""
        self._held: Mapping[str, str] = {}
        """Ids of accepted items that are not learnt from, and why."""
        self._decided: list[Sequence[str]] = []
        """Ids of the items of each decision made here, the last one at the end."""
        self._is_deciding = False
        self._look = FirstLook()
        self._seen: Mapping[str, tuple[ReviewItem, Masked]] = {}
        """Items of the list, by id, with their masked form."""

    def compose(self) -> ComposeResult:
        """Counts, list and item."""
        yield self.state
        with Horizontal(classes="split"):
            with Vertical(id="queue-list"):
                yield Static(HEAD, id="queue-head", markup=False)
                yield self.list
            with self.details:
                yield self.text

    def focus_default(self) -> None:
        """Keys act on the list, which is read again each time the page is shown."""
        self.screen.set_focus(self.list)
        self.text.loading = not self._seen
        self.renew()

    async def read(self) -> None:
        """What is open, or what was decided, the latest first."""
        try:
            await self._renew()
        finally:
            if self.is_attached:  # else the app is closing
                self.text.loading = False

    async def _renew(self) -> None:
        reviews = self.edge.reviews
        self._counts = {reason.value: number for reason, number in (await reviews.count()).items()}
        if self._looked_at in DECIDED:
            found = await reviews.list(state=self._looked_at, limit=MOST_SHOWN)
        else:
            found = await reviews.list(reason=self._looked_at or None, limit=MOST_SHOWN)
        self._held = await self._read_held({item.learner for item in found if item.state.value == "accepted"})
        if any(item.tenant for item in found):
            self._keys = {key.id: key.name for key in await self.edge.keys.list()}
        rows = [QueueRow(await self._masked(item)) for item in found]
        self._seen = {item.id: (item, row.masked) for item, row in zip(found, rows, strict=True)}
        at = self.list.highlighted or 0
        decided = self.chosen.name if self.chosen else ""
        self.fill(rows)
        if rows and decided not in [row.name for row in rows]:
            self.list.highlighted = min(at, len(rows) - 1)  # the next one takes its place
        self._show()

    async def _masked(self, item: ReviewItem) -> Masked:
        """The item without personal data; what was looked at before is not searched for it again."""
        before = self._seen.get(item.id)
        return before[1] if before is not None and before[0] == item else await self.edge.reviews.masked(item)

    async def _read_held(self, learners: Iterable[str]) -> dict[str, str]:
        lessons = [await self.edge.reviews.lessons(learner) for learner in learners]
        return {each.id: each.says for found in lessons for each in found.held}

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is decided can only be opened again."""
        if action in ("accept", "edit", "reject", "merge") and self._looked_at in DECIDED:
            return False
        return super().check_action(action, parameters)

    def on_resize(self) -> None:
        """The line of counts is cut anew."""
        self._show()

    @on(OptionList.OptionHighlighted)
    def _show(self) -> None:
        line = counts_line(self._counts, self._looked_at)
        self.state.update(line.truncate(max(self.size.width - 6, 1), ellipsis=True))
        row = self.chosen
        if row is not None:
            key = self._keys.get(row.item.tenant, row.item.tenant)
            self.text.update(item_content(row.masked, key, self._held.get(row.name, "")))
        else:
            told = (NONE_OF_THESE,) if self._looked_at else EMPTY
            self.text.update(Content("\n").join(Content.styled(line, "$foreground 70%") for line in told))
        self.details.scroll_home(animate=False)

    # Decisions

    @work(group="decide")
    async def action_accept(self) -> None:
        """Let the item teach what it says."""
        row = self.chosen
        if row is None or not self._look.is_over:
            return
        wanted = row.item.wanted
        if (wanted and wanted.strip()) or (row.item.reason.value == "thumbs_down" and row.item.context.answer):
            await self._decide(row.name, "accept", seen=self._seen[row.name][0])
        else:  # a dialog would take the keys of somebody who decides quickly
            self.notify(NEEDS_WORDS, markup=False)

    @work(group="decide")
    async def action_reject(self) -> None:
        """Let the item teach nothing."""
        if (row := self.chosen) is not None and self._look.is_over:
            await self._decide(row.name, "reject")

    @work(exclusive=True, group="dialog")
    async def action_edit(self) -> None:
        """Let the item teach in other words."""
        row = self.chosen
        if row is None:
            return
        asked, wanted = row.item.question, row.item.wanted
        seen = self._seen[row.name][0]
        prompt = await self.app.push_screen_wait(AskText("The question", asked))
        proposed = wanted if wanted is not None else row.item.context.answer or ""
        title = "What should be answered"
        is_poor = wanted is None  # what is written takes its place, as in the chat
        answer = (
            None if prompt is None else await self.app.push_screen_wait(AskText(title, proposed, is_replaced=is_poor))
        )
        if prompt is None or answer is None:
            return
        changed = {
            "prompt": None if prompt == asked else prompt,
            "answer": None if answer == wanted else answer,
        }
        await self._decide(row.name, "accept", **changed, seen=seen)

    @work(exclusive=True, group="merge")
    async def action_merge(self) -> None:
        """Show what asks much the same as this item, and merge it."""
        row = self.chosen
        if row is None:
            return
        self.text.loading = True
        self.notify("Looking for what asks much the same", timeout=2, markup=False)
        try:
            found = await self.edge.reviews.clusters(row.item.tenant)
            alike: Sequence[ReviewItem] = next((g for g in found.groups if row.name in [each.id for each in g]), ())
            shown = [(await self.edge.reviews.masked(item)).item for item in alike]
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        finally:
            if self.is_attached:  # else the app is closing
                self.text.loading = False
        by = "by their meaning" if found.embedder else "by their words: there is no embedder"
        if not shown:
            self.notify(f"Nothing else asks much the same ({by})", markup=False)
            return
        title = f"{len(shown)} items ask much the same ({by})"
        if taken := await self.app.push_screen_wait(MergeDialog(title, shown, row.name)):
            await self._merge(taken, row.name)

    @work(group="decide")
    async def action_undo(self) -> None:
        """Open again what the last decision here was about; among decided items, the highlighted one."""
        if self._looked_at in DECIDED:
            if (row := self.chosen) is not None:
                await self._keep([row.name], "reopen")
            return
        if not self._decided:
            self.notify("There is nothing to undo", markup=False)
            return
        if await self._keep(self._decided[-1], "reopen"):
            self._decided.pop()

    async def _merge(self, ids: Sequence[str], into: str) -> None:
        if await self.change(self.edge.reviews.merge(ids, into)):
            self._decided.append([each for each in ids if each != into])
            self.notify(f"{len(ids)} items are one now", markup=False)

    async def _decide(self, item_id: str, decision: str, **words: str | ReviewItem | None) -> None:
        if await self._keep([item_id], decision, **words):
            self._look.begin(self)
            self._decided.append([item_id])

    async def _keep(self, ids: Sequence[str], decision: str, **words: str | ReviewItem | None) -> bool:
        """Keep a decision and show what is open then; False when it was refused.

        A key that is pressed before the next item is seen decides nothing.
        """
        if self._is_deciding:
            return False
        self._is_deciding = True
        try:
            for item_id in ids:
                await getattr(self.edge.reviews, decision)(item_id, **words)
            self.renew()
            with suppress(WorkerCancelled):  # another reading has begun meanwhile
                await self._reading.wait()
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return False
        finally:
            self._is_deciding = False
        return True

    # Looking around

    @work(exclusive=True, group="dialog")
    async def action_filter(self) -> None:
        """Look at the items of one reason alone, at all, or at what was decided."""
        rows = [Row("", Content(f"{sum(self._counts.values()):>5,}  all"))]
        rows += [Row(name, Content(f"{number:>5,}  {WORDS[name]}")) for name, number in self._counts.items()]
        rows += [Row(state, Content(f"       {state} before")) for state in DECIDED]
        chosen = await self.app.push_screen_wait(Pick("Look at which items?", rows, self._looked_at))
        if chosen is not None:
            self._looked_at = chosen
            self.renew()

    def action_read(self) -> None:
        """Scroll the item; back to the list."""
        self.screen.set_focus(self.list if self.details.has_focus else self.details)

    async def action_leave(self) -> None:
        """From the item to the list, then back to the chat."""
        if self.details.has_focus:
            self.screen.set_focus(self.list)
        else:
            await self.app.run_action("page('chat')")
