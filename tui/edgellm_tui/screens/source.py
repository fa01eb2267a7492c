"""A dialog that finds a file or folder: a path that is completed while typing, or the user's own chats."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.worker import Worker, WorkerCancelled

from edgellm.safetext import clean_line
from edgellm_tui.examples import CHATS, OWN_CHATS
from edgellm_tui.paths import Suggestion, suggestions
from edgellm_tui.screens.dialog import Pick, Row
from edgellm_tui.widgets.fields import LineField


class PickSource(Pick):
    """Answers with a source as `Examples.with_source` takes it: a path, or chats."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "complete", priority=True)]
    KEYS = "type a path   Tab completes   ↑↓ choose   Enter takes it   Esc leaves"
    HINT = "A file or folder: name, or path from here, / or ~"

    def __init__(
        self,
        title: str = "Add examples",
        *,
        offers_chats: bool = True,
        look: Callable[[str], list[Suggestion]] = suggestions,
    ) -> None:
        """`look`: the paths that go on as typed."""
        super().__init__(title, ())
        self._paths = look
        self._chats = CHATS if offers_chats else {}
        self._looking: Worker[None]

    def fill(self, typed: str) -> None:
        """Look what goes on as typed, while typing goes on."""
        self._looking = self._look(typed)

    @work(exclusive=True, group="look")
    async def _look(self, typed: str) -> None:
        found = await asyncio.to_thread(self._paths, typed)
        words = typed.lower().split()
        chats = [(f"{OWN_CHATS}{kind}", title) for kind, title in self._chats.items()]
        rows = [_row(each) for each in found]
        rows += [Row(value, Content(title)) for value, title in chats if all(word in title.lower() for word in words)]
        self.offer(rows)

    @work(exclusive=True, group="enter")
    async def take_highlighted(self) -> None:
        """Take what belongs to the text, also while that is still being looked up; a path nobody knows as it is."""
        with suppress(WorkerCancelled):
            await self._looking.wait()
            typed = self.query_one(LineField).value.strip()
            value = self.highlighted_value or typed
            if value:
                self.take(value)

    def take(self, value: str) -> None:
        """A folder shows what is in it; everything else is the answer."""
        if value in (row.value for row in self.rows if row.search == "folder"):
            self._go_on(value)
        else:
            self.dismiss(value)

    def action_complete(self) -> None:
        """Put the highlighted path into the line."""
        value = self.highlighted_value
        if value and not value.startswith(OWN_CHATS):
            self._go_on(value)

    def _go_on(self, path: str) -> None:
        field = self.query_one(LineField)
        field.value = path
        field.cursor_position = len(path)
        self.query_one(OptionList).scroll_home(animate=False)


def _row(found: Suggestion) -> Row:
    name = Content.styled(clean_line(found.path), "" if found.is_folder else "bold")
    note = Content.styled(f"   {found.note}", "$foreground 55%") if found.note else Content("")
    return Row(found.path, name + note, "folder" if found.is_folder else "file")
