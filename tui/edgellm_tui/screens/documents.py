"""The documents page: collections, their files, and what a question finds in them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, OptionList, Static
from textual.worker import WorkerCancelled

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm_tui.asked import Asked, asked
from edgellm_tui.collected import HEAD, CollectionRow, file_facts
from edgellm_tui.commands import bindings
from edgellm_tui.errors import report
from edgellm_tui.messages import Refused, UseDocuments
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.screens.document_actions import DocumentActions
from edgellm_tui.widgets.dock import JobLine
from edgellm_tui.widgets.hits import HitList

if TYPE_CHECKING:
    from edgellm.retrieval.values import Hit, SearchMode

SEARCH_AFTER_S = 0.3
"""Pause in typing after which a search begins."""
LOOK_AFTER_S = 0.1
"""How long a collection has to be highlighted before its files are read."""
MOST_HITS = 20
AS_TYPED: SearchMode = "fused"
"""A cross-encoder takes tenths of a second, which each pause in typing would cost."""
EMPTY = (
    "There is no collection yet.",
    "",
    "A collection is made of files: PDF, Word, PowerPoint, Excel, CSV, HTML, Markdown, text, source code, e-mail. "
    "Press F5 and type the path of a file or folder.",
    "",
    "Then ask in the line above, or press Enter to chat: answers name the pages they come from. Nothing leaves this "
    "computer.",
)
NO_FILES = "There is no file in it. Press F5 to add some."
NOTHING_TO_ASK = "There is no collection to ask. Press F5 to make one of a file or folder."
NOTHING_FOUND = "Nothing is found{limits}. Ask in other words; Esc shows the files."
LIMITS = 'Now the question. kind:pdf file:NAME file:"A NAME" tag:TAG since:2026-01-31 until:2026-12-31 limit it.'


class DocumentsPage(DocumentActions):
    """Question above; collections left and files right (below on narrow screens), or what was found."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("documents")
    HINT = "Ask the highlighted collection; kind:pdf or tag:NAME limits it"
    ENTER = "open"
    NEED_AN_ITEM = frozenset({"open", "sync", "remove", "verify", "reindex"})

    def __init__(self, edge: Edge, preferences: Preferences, *, id: str | None = None) -> None:
        super().__init__(edge, preferences, id=id)
        self.split = Horizontal(classes="split")
        self.hits = HitList(id="documents-hits")
        self._files_of = ""
        """The collection whose files are shown."""
        self._files_done = 0.0
        """Files that running jobs have read so far."""

    def compose_below(self) -> ComposeResult:
        """Collections and files, or in their place what was found."""
        with self.split:
            with Vertical(id="documents-list"):
                yield Static(HEAD, id="documents-head", markup=False)
                yield self.list
            yield self.files
        yield self.hits

    # Collections and files

    async def read(self) -> None:
        """All collections."""
        now = time.time()
        self.fill([CollectionRow(info, now) for info in await self.edge.collections.list()])
        names = [row.name for row in self._items]
        if self._begun in names:
            self.list.highlighted, self._begun = names.index(self._begun), ""
        self._look()

    def keep_up(self, jobs: Sequence[JobLine]) -> None:
        """Show what jobs have read since, unless the answer to a question is in its place."""
        done = sum(job.done for job in jobs if job.unit == "files")
        if done > self._files_done and not self.is_asking:
            self.renew()
        self._files_done = done

    def on_resize(self) -> None:
        """Lines are broken anew."""
        self.files.draw()
        self.hits.draw()

    @on(OptionList.OptionHighlighted)
    def _moved(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_list is self.list:
            self._look()

    @work(exclusive=True, group="files")
    async def _look(self) -> None:
        """Read the files of the highlighted collection."""
        row = self.chosen
        if row is None:
            self._files_of = ""
            self.files.say(*EMPTY)
            return
        if row.name != self._files_of:
            self.files.say("")
            await asyncio.sleep(LOOK_AFTER_S)
        try:
            files = await self.edge.documents(row.name).files()
        except EdgeLLMError as error:
            self.files.say(report(error))
        else:
            if files:
                self.files.show(files)
            else:
                self.files.say(NO_FILES)
        self._files_of = row.name

    # Asking

    @property
    def is_asking(self) -> bool:
        """Whether anything was typed."""
        return bool(self.field.value.strip())

    @property
    def question(self) -> str:
        """What was typed, without its limits."""
        return asked(self.field.value).question

    @property
    def moved(self) -> OptionList:
        """The list that the arrows move in: what was found, or the collections."""
        return self.hits.list if self.is_asking else self.list

    @on(Input.Changed)
    def _typed(self) -> None:
        self.hits.display, self.split.display = self.is_asking, not self.is_asking
        self._reading = self._search(asked(self.field.value))

    @work(exclusive=True, group="search")
    async def _search(self, asked: Asked) -> None:
        self.hits.show((), asked.question)
        if not asked.question:
            self.hits.say(LIMITS)
            return
        self.hits.say("Searching…")
        if self.chosen is None:  # typed before the list was read, if there is one
            with suppress(WorkerCancelled):
                await self._read().wait()
        row = self.chosen
        if row is None:
            self.hits.say(NOTHING_TO_ASK)
            return
        self.hits.say(f"Searching {clean_line(row.name)}…")
        await asyncio.sleep(SEARCH_AFTER_S)
        try:
            found = await self.edge.documents(row.name).search(
                asked.question, limit=MOST_HITS, filters=asked.filters, mode=AS_TYPED
            )
        except EdgeLLMError as error:
            self.hits.say(report(error))
            return
        limits = f" with {clean_line(' '.join(asked.limits))}" if asked.limits else ""
        count = f"{len(found)} passage{'s' if len(found) != 1 else ''} in {clean_line(row.name)}{limits}"
        self.hits.say(count if found else NOTHING_FOUND.format(limits=limits))
        self.hits.show(found, asked.question)

    # Actions

    async def action_open(self) -> None:
        """Open what was found or what the list of files highlights, or chat from the collection."""
        from edgellm_tui.screens.dialog import Reading

        hit, file = self.hits.chosen, self.files.chosen
        if self.is_asking:
            if hit is not None:
                await self._open(hit)
        elif self.files.list.has_focus and file is not None:
            self.app.push_screen(Reading(file.name, file_facts(file, time.time())))
        elif self.chosen is not None:
            self.post_message(UseDocuments(self.chosen.name))

    async def _open(self, hit: Hit) -> None:
        from edgellm_tui.screens.passage import PassageScreen

        if self.chosen is None:
            return
        try:
            page = await self.edge.documents(self.chosen.name).page(hit.file, hit.start, hit.end)
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        self.app.push_screen(PassageScreen(page, [(page.start, page.end)], self.question))
