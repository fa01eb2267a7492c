"""What is done to collections on their page: files are read into them and removed, and they are verified."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from textual import work
from textual.content import Content

from edgellm.errors import EdgeLLMError
from edgellm.events import Finished
from edgellm.safetext import clean_line
from edgellm_tui.adding import Wanted, begin, outcome, outcome_of_reindex
from edgellm_tui.collected import CollectionRow
from edgellm_tui.messages import JobBegan, Refused
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.screens.listing import ListPage
from edgellm_tui.widgets.file_list import FileList
from edgellm_tui.wording import in_app

if TYPE_CHECKING:
    from textual.notifications import SeverityLevel

    from edgellm.store.records import StoredJob

Outcome = Callable[[Mapping[str, Any]], tuple[str, int]]
"""A job's result in a line, and how much of it deserves a warning."""
SYNCS = "What has changed in its files and folders is read again, what is new is added, what is gone leaves it."


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
        from edgellm_tui.screens.document_dialogs import AddDocuments

        filled = Wanted(collection=self.chosen.name if self.chosen else "")
        wanted = await self.app.push_screen_wait(AddDocuments("Add documents", filled))
        if wanted is not None:
            await self._begin(begin(self.edge, wanted), wanted.name)

    @work(exclusive=True, group="dialog")
    async def action_sync(self) -> None:
        """Bring the highlighted collection up to date with what was added to it; after a question."""
        from edgellm_tui.screens.dialog import Confirm

        row = self.chosen
        if row is not None and await self.app.push_screen_wait(Confirm(f"Bring {row.name} up to date?", SYNCS)):
            await self._begin(self.edge.documents(row.name).sync(), row.name)

    @work(exclusive=True, group="dialog")
    async def action_reindex(self) -> None:
        """Make the highlighted collection's vectors anew, by the embedder that is named."""
        from edgellm_tui.screens.document_dialogs import EmbedAgain

        row = self.chosen
        if row is None:
            return
        embedder = await self.app.push_screen_wait(EmbedAgain(row.name, row.info.embedder))
        if embedder is not None:
            await self._begin(self.edge.documents(row.name).reindex(embedder), row.name, outcome_of_reindex)

    async def _begin(self, begun: Awaitable[StoredJob], name: str, outcome: Outcome = outcome) -> None:
        """Follow the job that `begun` starts; `outcome` puts its result into words."""
        try:
            job = await begun
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        self.post_message(JobBegan(job))
        self._await_end(job, name, outcome)

    @work(group="ingest")
    async def _await_end(self, job: StoredJob, name: str, outcome: Outcome) -> None:
        """Say how the job went, and show what it made, unless another collection was highlighted meanwhile."""
        before = self.chosen
        try:
            async with aclosing(self.edge.jobs.follow(job.id)) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        told, failed = outcome(event.result or {})
                        look: SeverityLevel = "warning" if failed else "information"
                        self.notify(told, title=clean_line(name), severity=look, markup=False)
        except EdgeLLMError as error:
            self.post_message(Refused(error))
        if before is None or (self.chosen is not None and self.chosen.name == before.name):
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
