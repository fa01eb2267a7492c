"""What is done to collections on their page: files are read into them and removed, and they are verified."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from textual import work
from textual.content import Content

from edgellm.errors import EdgeLLMError
from edgellm.events import Finished
from edgellm.safetext import clean_line
from edgellm_tui.adding import Wanted, begin, outcome, read_before
from edgellm_tui.collected import CollectionRow, common_folder
from edgellm_tui.messages import JobBegan, Refused
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.screens.listing import ListPage
from edgellm_tui.widgets.file_list import FileList
from edgellm_tui.wording import in_app

if TYPE_CHECKING:
    from textual.notifications import SeverityLevel

    from edgellm.store.records import StoredJob


class DocumentActions(ListPage[CollectionRow]):
    """Half of the documents page: each action asks what has to be asked, and does it."""

    def __init__(self, edge: Edge, preferences: Preferences, *, id: str | None = None) -> None:
        super().__init__(edge, preferences, id=id)
        self.files = FileList(id="documents-files")
        self._begun = ""
        """A collection that is to be highlighted when the list is read."""

    @work(exclusive=True, group="dialog")
    async def action_add(self) -> None:
        """Fill in what is to be read, and begin."""
        name = self.chosen.name if self.chosen else ""
        await self._ask_and_begin("Add documents", Wanted(collection=name))

    @work(exclusive=True, group="dialog")
    async def action_sync(self) -> None:
        """Read the folder of the highlighted collection again; what is gone from it is removed."""
        row = self.chosen
        if row is None:
            return
        try:
            path = await read_before(self.edge, row.name)
            path = path or common_folder(await self.edge.documents(row.name).files())
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        wanted = Wanted(path=path, collection=row.name, is_synced=True)
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
                        self.notify(told, title=clean_line(name), severity=look, markup=False)
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
