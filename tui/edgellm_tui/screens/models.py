"""The models page: what is here, what there is, and whether it fits this computer."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from edgellm.errors import EdgeLLMError
from edgellm_tui.catalogue import ModelRow, all_rows
from edgellm_tui.commands import bindings
from edgellm_tui.messages import FetchModel, ModelsChanged, Refused, UseModel
from edgellm_tui.ports import Edge, Preferences


class ModelsPage(Vertical):
    """Filter above, list left, details right (below on narrow screens)."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("models")

    def __init__(self, edge: Edge, preferences: Preferences, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.edge = edge
        self.preferences = preferences
        self._rows: list[ModelRow] = []
        self._shown: list[ModelRow] = []

    def compose(self) -> ComposeResult:
        """Filter, list, details."""
        yield Input(placeholder="Filter: name, language, licence, fits", id="models-filter", compact=True)
        with Horizontal(classes="split"):
            yield OptionList(id="models-list", compact=True)
            with VerticalScroll(id="models-details", can_focus=False):
                yield Static(id="models-text", markup=False)

    def on_mount(self) -> None:
        """Read the lists."""
        self.renew()

    def focus_default(self) -> None:
        """Typing filters; arrows move."""
        self.query_one(Input).focus()

    @work(exclusive=True)
    async def renew(self) -> None:
        """Read installed models and the catalogue again."""
        self.query_one(OptionList).loading = not self._rows
        try:
            self._rows = await all_rows(self.edge)
        except EdgeLLMError as error:
            self.post_message(Refused(error))
        self.query_one(OptionList).loading = False
        self._fill()

    @on(Input.Changed)
    def _fill(self) -> None:
        options = self.query_one(OptionList)
        words = self.query_one(Input).value.lower().split()
        chosen = self.row.name if self.row else ""
        self._shown = [row for row in self._rows if all(word in row.search.lower() for word in words)]
        options.clear_options()
        options.add_options([Option(row.line()) for row in self._shown])
        names = [row.name for row in self._shown]
        options.highlighted = names.index(chosen) if chosen in names else (0 if names else None)
        self._detail()

    @property
    def row(self) -> ModelRow | None:
        """The highlighted model."""
        index = self.query_one(OptionList).highlighted
        return self._shown[index] if index is not None and index < len(self._shown) else None

    @on(OptionList.OptionHighlighted)
    def _detail(self) -> None:
        row = self.row
        lines = _details(row) if row else [Content.styled("No model matches the filter.", "$foreground 60%")]
        self.query_one("#models-text", Static).update(Content("\n").join(lines))

    def on_key(self, event: object) -> None:
        """Arrows move the list while the filter keeps the focus."""
        key = getattr(event, "key", "")
        options = self.query_one(OptionList)
        if key in ("down", "up") and self.query_one(Input).has_focus:
            (options.action_cursor_down if key == "down" else options.action_cursor_up)()

    @on(Input.Submitted)
    @on(OptionList.OptionSelected)
    def action_use(self) -> None:
        """Chat with an installed model; fetch another one."""
        row = self.row
        if row and row.is_installed and not row.is_chat:
            self.notify("An embedder turns text into vectors; it cannot chat", markup=False)
        elif row and row.is_installed:
            self.post_message(UseModel(row.name))
        else:
            self.action_fetch()

    def action_fetch(self) -> None:
        """Download the highlighted model as a job."""
        row = self.row
        if row is None or row.is_installed:
            self.notify("It is already here", markup=False)
        else:
            self.post_message(FetchModel(row.name, row.title))

    @work
    async def action_unload(self) -> None:
        """Free the model's memory."""
        if self.row and self.row.is_loaded:
            await self._change(self.edge.models.unload(self.row.name))
        else:
            self.notify("It is not in memory", markup=False)

    @work
    async def action_remove(self) -> None:
        """Delete the file, after a question."""
        from edgellm_tui.screens.dialog import Confirm

        row = self.row
        if row is None or not row.is_removable:
            self.notify("This one cannot be removed here", markup=False)
            return
        if await self.app.push_screen_wait(Confirm(f"Remove {row.title}?", "Its file is deleted from this computer.")):
            await self._change(self.edge.models.remove(row.name))

    async def _change(self, change: object) -> None:
        try:
            await change  # type: ignore[misc]
        except EdgeLLMError as error:
            self.post_message(Refused(error))
        self.post_message(ModelsChanged())
        self.renew()

    async def action_leave(self) -> None:
        """Clear the filter, or go back to the chat."""
        entry = self.query_one(Input)
        if entry.value:
            entry.value = ""
        else:
            await self.app.run_action("page('chat')")


def _details(row: ModelRow) -> list[Content]:
    lines = [Content.styled(row.title, "bold $primary")]
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
