"""The documents page: collections, their files, and what a question finds in them."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static

from edgellm.errors import EdgeLLMError
from edgellm.events import Finished
from edgellm.safetext import clean_line
from edgellm_tui.adding import Wanted, begin, outcome
from edgellm_tui.collected import HEAD, CollectionRow, common_folder, file_facts
from edgellm_tui.commands import bindings
from edgellm_tui.errors import report
from edgellm_tui.messages import JobBegan, Refused, UseDocuments
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.screens.listing import ListPage
from edgellm_tui.widgets.file_list import FileList
from edgellm_tui.widgets.hits import HitList
from edgellm_tui.wording import in_app

if TYPE_CHECKING:
    from textual.notifications import SeverityLevel

    from edgellm.retrieval.values import Hit, IndexedFile
    from edgellm.store.records import StoredJob

SEARCH_AFTER_S = 0.3
"""Pause in typing after which a search begins."""
LOOK_AFTER_S = 0.1
"""How long a collection has to be highlighted before its files are read."""
MOST_HITS = 20
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
NOTHING_FOUND = "Nothing is found. Ask in other words; Esc shows the files."


class DocumentsPage(ListPage[CollectionRow]):
    """Question above; collections left and files right (below on narrow screens), or what was found."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("documents")
    HINT = "Ask the highlighted collection"
    ENTER = "open"
    NEED_AN_ITEM = frozenset({"open", "sync", "remove", "verify"})

    def __init__(self, edge: Edge, preferences: Preferences, *, id: str | None = None) -> None:
        super().__init__(edge, preferences, id=id)
        self.split = Horizontal(classes="split")
        self.files = FileList(id="documents-files")
        self.hits = HitList(id="documents-hits")
        self._read_files: list[IndexedFile] = []
        """Those of the collection whose name follows."""
        self._files_of = ""
        self._begun = ""
        """A collection that is to be highlighted when the list is read."""

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
            self._files_of, self._read_files = "", []
            self.files.say(*EMPTY)
            return
        if row.name != self._files_of:
            self.files.say("")
            await asyncio.sleep(LOOK_AFTER_S)
        try:
            self._read_files = list(await self.edge.documents(row.name).files())
        except EdgeLLMError as error:
            self._read_files = []
            self.files.say(report(error))
        else:
            if self._read_files:
                self.files.show(self._read_files)
            else:
                self.files.say(NO_FILES)
        self._files_of = row.name

    # Asking

    @property
    def question(self) -> str:
        """What was typed."""
        return self.field.value.strip()

    @property
    def moved(self) -> OptionList:
        """The list that the arrows move in: what was found, or the collections."""
        return self.hits.list if self.question else self.list

    @on(Input.Changed)
    def _typed(self) -> None:
        self.hits.display, self.split.display = bool(self.question), not self.question
        self._reading = self._search(self.question)

    @work(exclusive=True, group="search")
    async def _search(self, question: str) -> None:
        row = self.chosen
        self.hits.show((), question)
        if row is None or not question:
            self.hits.say(NOTHING_TO_ASK)
            return
        self.hits.say(f"Searching {clean_line(row.name)}…")
        await asyncio.sleep(SEARCH_AFTER_S)
        try:
            found = await self.edge.documents(row.name).search(question, limit=MOST_HITS)
        except EdgeLLMError as error:
            self.hits.say(report(error))
            return
        count = f"{len(found)} passage{'s' if len(found) != 1 else ''} in {clean_line(row.name)}"
        self.hits.say(count if found else NOTHING_FOUND)
        self.hits.show(found, question)

    # Actions

    async def action_open(self) -> None:
        """Open what was found or what the list of files highlights, or chat from the collection."""
        from edgellm_tui.screens.dialog import Reading

        hit, file = self.hits.chosen, self.files.chosen
        if self.question:
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

    @work(exclusive=True, group="dialog")
    async def action_add(self) -> None:
        """Fill in what is to be read, and begin."""
        name = self.chosen.name if self.chosen else ""
        await self._ask_and_begin("Add documents", Wanted(collection=name))

    @work(exclusive=True, group="dialog")
    async def action_sync(self) -> None:
        """Read the folder of the highlighted collection again; what is gone from it is removed."""
        row = self.chosen
        if row is not None and row.name == self._files_of:
            folder = common_folder(self._read_files)
            wanted = Wanted(path=folder, collection=row.name, is_synced=True)
            await self._ask_and_begin(f"Sync {row.name} with its folder", wanted)

    async def _ask_and_begin(self, title: str, filled: Wanted) -> None:
        from edgellm_tui.screens.document_dialogs import AddDocuments

        wanted = await self.app.push_screen_wait(AddDocuments(title, filled))
        if wanted is None:
            return
        try:
            job = await begin(self.edge, wanted)
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        self.post_message(JobBegan(job))
        self._await_end(job, wanted.name)

    @work(group="ingest")
    async def _await_end(self, job: StoredJob, name: str) -> None:
        """Say how the job went, and show what it made."""
        try:
            async with aclosing(self.edge.jobs.follow(job.id)) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        told, failed = outcome(event.result or {})
                        look: SeverityLevel = "warning" if failed else "information"
                        self.notify(told, title=clean_line(name), severity=look, timeout=8, markup=False)
        except EdgeLLMError as error:
            self.post_message(Refused(error))
        self._begun = name
        self.renew()

    @work(exclusive=True, group="dialog")
    async def action_remove(self) -> None:
        """Remove the highlighted file while the files have the focus, else the collection; after a question."""
        from edgellm_tui.screens.dialog import Confirm

        row, file = self.chosen, self.files.chosen if self.files.list.has_focus else None
        if row is not None and file is not None:
            question = Confirm(f"Remove {file.name} from {row.name}?", "The file itself stays where it is.")
            if await self.app.push_screen_wait(question):
                await self.change(self.edge.documents(row.name).remove([file.name]))
        elif row is not None:
            consequence = "Its texts and its index are deleted from this computer. The files themselves stay."
            if await self.app.push_screen_wait(Confirm(f"Delete the collection {row.name}?", consequence)):
                await self.change(self.edge.collections.remove(row.name))

    @work(exclusive=True, group="verify")
    async def action_verify(self) -> None:
        """Check the highlighted collection from end to end."""
        from edgellm_tui.screens.dialog import Reading

        row = self.chosen
        if row is None:
            return
        self.notify(f"Verifying {clean_line(row.name)}…", timeout=2, markup=False)
        try:
            defects = await self.edge.documents(row.name).verify()
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        if defects:
            self.app.push_screen(Reading(f"{row.name} is damaged", [Content(in_app(each)) for each in defects]))
        else:
            self.notify(f"{clean_line(row.name)} is sound", markup=False)
