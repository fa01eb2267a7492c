"""The models page: what is here, what there is, and whether it fits this computer."""

from __future__ import annotations

import os
import time
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, OptionList, Static

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm_tui.catalogue import HEAD, ModelRow, all_rows
from edgellm_tui.commands import bindings
from edgellm_tui.exports import begin, made_line, made_lines
from edgellm_tui.messages import FetchModel, JobBegan, Refused, UseModel
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.screens.listing import ListPage


class ModelsPage(ListPage[ModelRow]):
    """Filter above, list left, details right (below on narrow screens)."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("models")
    HINT = "Filter: name, language, licence, fits"
    ENTER = "use"
    NEED_AN_ITEM = frozenset({"use", "fetch", "unload", "remove", "attach", "export"})

    def __init__(self, edge: Edge, preferences: Preferences, *, id: str | None = None) -> None:
        super().__init__(edge, preferences, id=id)
        self.text = Static(id="models-text", markup=False)
        self._rows: list[ModelRow] = []

    def compose_below(self) -> ComposeResult:
        """List and details."""
        with Horizontal(classes="split"):
            with Vertical(id="models-list"):
                yield Static(HEAD, id="models-head", markup=False)
                yield self.list
            with VerticalScroll(id="models-details", can_focus=False):
                yield self.text

    async def read(self) -> None:
        """Installed models and the catalogue."""
        self.list.loading = not self._rows
        try:
            self._rows = await all_rows(self.edge)
        finally:
            self.list.loading = False
        self._narrow()

    @on(Input.Changed)
    def _narrow(self) -> None:
        words = self.field.value.lower().split()
        self.fill([row for row in self._rows if all(word in row.search.lower() for word in words)])
        self._detail()

    @on(OptionList.OptionHighlighted)
    def _detail(self) -> None:
        row = self.chosen
        lines = _details(row) if row else [Content.styled("No model matches the filter.", "$foreground 60%")]
        self.text.update(Content("\n").join(lines))

    def action_use(self) -> None:
        """Chat with an installed model; fetch another one."""
        row = self.chosen
        if row and row.is_installed and not row.is_chat:
            self.notify("An embedder turns text into vectors; it cannot chat", markup=False)
        elif row and row.is_installed:
            self.post_message(UseModel(row.name))
        else:
            self.action_fetch()

    def action_fetch(self) -> None:
        """Download the highlighted model as a job."""
        row = self.chosen
        if row is not None and row.is_installed:
            self.notify("It is already here", markup=False)
        elif row is not None:
            self.post_message(FetchModel(row.name, row.title))

    @work
    async def action_unload(self) -> None:
        """Free the model's memory."""
        if self.chosen and self.chosen.is_loaded:
            await self.change(self.edge.models.unload(self.chosen.name))
        else:
            self.notify("It is not in memory", markup=False)

    @work
    async def action_remove(self) -> None:
        """Delete the model's file, or the adapter's files, after a question."""
        from edgellm_tui.screens.dialog import Confirm

        row = self.chosen
        if row is None or not row.is_removable:
            self.notify("This one cannot be removed here", markup=False)
        elif row.adapter:
            question = Confirm(f"Remove {row.title}?", "What was learnt is deleted from this computer; its base stays.")
            if await self.app.push_screen_wait(question):
                await self.change(self.edge.adapters.remove(row.adapter))
        elif await self.app.push_screen_wait(
            Confirm(f"Remove {row.title}?", "Its file is deleted from this computer.")
        ):
            await self.change(self.edge.models.remove(row.name))

    @work(exclusive=True, group="dialog")
    async def action_attach(self) -> None:
        """Take in an adapter that was made elsewhere for the highlighted model."""
        from edgellm_tui.new_run import name_for
        from edgellm_tui.paths import adapters
        from edgellm_tui.screens.dialog import AskLine
        from edgellm_tui.screens.source import PickSource

        row = self.chosen
        if row is None or not row.is_installed or not row.is_chat:
            self.notify("Only a chat model that is here takes an adapter", markup=False)
            return
        base = row.name.removesuffix(f"@{row.adapter}")
        title = f"Attach an adapter to {clean_line(base)}: its GGUF file"
        file = await self.app.push_screen_wait(PickSource(title, offers_chats=False, look=adapters))
        if not file:
            return
        if name := await self.app.push_screen_wait(AskLine("Name of the adapter", name_for(file))):
            await self.change(self._take_in(os.path.expanduser(file), base, name))

    async def _take_in(self, file: str, base: str, name: str) -> None:
        adapter = await self.edge.adapters.attach(file, base, name)
        self.notify(f"{clean_line(base)}@{clean_line(adapter.name)} is here; Enter chats with it", markup=False)

    @work(exclusive=True, group="dialog")
    async def action_export(self) -> None:
        """Make files of the highlighted model, or measure quantizations of it, as a job."""
        from edgellm_tui.screens.export_dialogs import NewExport

        row = self.chosen
        if row is None or not row.is_installed or not row.is_chat:
            self.notify("Only a chat model that is here can be exported", markup=False)
            return
        wanted = await self.app.push_screen_wait(NewExport(row.title))
        if wanted is None:
            return
        try:
            job = await begin(self.edge, row.name, wanted)
        except EdgeLLMError as error:
            self.post_message(Refused(error))
        else:
            self.post_message(JobBegan(job))

    @work(exclusive=True, group="dialog")
    async def action_exported(self) -> None:
        """Choose an export that is finished, and read what was measured."""
        from edgellm_tui.screens.dialog import Pick, Reading, Row

        jobs = {job.id: job for job in await self.edge.jobs.list() if job.kind in ("export", "quants") and job.result}
        if not jobs:
            self.notify("Nothing was exported yet", markup=False)
            return
        rows = [Row(job.id, made_line(job, time.time())) for job in jobs.values()]
        if chosen := await self.app.push_screen_wait(Pick("Exports and comparisons", rows)):
            job = jobs[chosen]
            await self.app.push_screen_wait(Reading(job.title, made_lines(job.result or {})))


def _details(row: ModelRow) -> list[Content]:
    lines = [Content.styled(row.full_name or row.title, "bold $primary")]
    lines += [Content(text) for text in (row.good_at, row.reason) if text]
    speed = f"about {row.tokens_per_s:.0f} tokens a second" if row.tokens_per_s else ""
    for name, value in (
        ("Speed", speed),
        ("Licence", row.licence),
        ("Business", f"{row.commercial_use}: {row.licence_note}" if row.licence_note else row.commercial_use),
        ("Languages", row.languages),
        ("Source", row.note),
    ):
        if value:
            lines.append(Content.assemble((f"{name:<11}", "$foreground 55%"), value))
    return lines
