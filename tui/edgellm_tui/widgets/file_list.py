"""The files of a collection: each with its kind, pages and chunks, or why it could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from edgellm_tui.collected import MOST_FILES, common_folder, file_head, file_line, in_order

if TYPE_CHECKING:
    from edgellm.retrieval.values import IndexedFile

PADDING_CELLS = 2
"""Left and right of a line of the list."""


class FileList(Vertical):
    """Shows files, or says something in their place."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.said = Static(id="files-said", markup=False)
        self.head = Static(id="files-head", markup=False)
        self.list = OptionList(id="files-list", classes="page-list", compact=True)
        self._files: Sequence[IndexedFile] = ()

    def compose(self) -> ComposeResult:
        """Words, or columns and list."""
        yield self.said
        yield self.head
        yield self.list

    def say(self, *lines: str) -> None:
        """Show words in place of files."""
        self._files = ()
        self.said.update(Content("\n").join([Content.styled(line, "$foreground 70%") for line in lines]))
        self.draw()

    def show(self, files: Sequence[IndexedFile]) -> None:
        """Show these files, those that could not be read first; what was highlighted stays so if it is among them."""
        chosen = self.chosen.name if self.chosen else None
        self._files = in_order(files)
        self.draw()
        names = [file.name for file in self._files[:MOST_FILES]]
        self.list.highlighted = names.index(chosen) if chosen in names else 0

    def draw(self) -> None:
        """Break lines for the width there is."""
        self.said.display = not self._files
        self.head.display = self.list.display = bool(self._files)
        at, width = self.list.highlighted, max(self.container_size.width - PADDING_CELLS - 2, 20)
        self.head.update(file_head(width))
        folder = common_folder(self._files)
        self.list.clear_options()
        self.list.add_options([Option(file_line(file, folder, width)) for file in self._files[:MOST_FILES]])
        if (left := len(self._files) - MOST_FILES) > 0:
            self.list.add_option(Option(Content.styled(f"and {left:,} more", "$foreground 55%"), disabled=True))
        self.list.highlighted = at

    @property
    def chosen(self) -> IndexedFile | None:
        """The highlighted one."""
        at = self.list.highlighted
        return self._files[at] if at is not None and at < min(len(self._files), MOST_FILES) else None
