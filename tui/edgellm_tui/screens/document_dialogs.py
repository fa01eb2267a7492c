"""Adding documents: the form, whose path is completed while it is typed."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, Static

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm_tui import paths
from edgellm_tui.adding import Wanted, checked, proposed_name
from edgellm_tui.screens.dialog import AskLine
from edgellm_tui.screens.form import Form
from edgellm_tui.widgets.choice import ChoiceLine
from edgellm_tui.widgets.completions import Choice, Completions
from edgellm_tui.widgets.fields import LineField, knob

OFFERED = 5
"""Paths below the field; more letters lead to the others."""
_KEPT, _REMOVED = "stay", "are removed"
_EMBEDDERS = (
    "An embedder of the catalogue, or a folder that sentence-transformers saved. Searches go by the old vectors until "
    "every passage has its new one."
)
_HELP = {
    "add-path": "A file, or a folder with everything below it: name, or path from here, / or ~. Tab completes.",
    "add-name": "A name that is new makes a new collection.",
    "add-tags": "Words to search these files by, separated by commas. None is fine.",
    "add-gone": "Whether files of this folder that are there no more leave the collection.",
}


class EmbedAgain(AskLine):
    """Answers with an embedder's name or folder; empty: the one that the collection has."""

    KEYS = "Enter begins   Esc leaves it"

    def __init__(self, collection: str, embedder: str) -> None:
        super().__init__(f"Make the vectors of {collection} anew", hint=f"again by {clean_line(embedder)}")

    def compose_body(self) -> ComposeResult:
        """The line, and what it may hold."""
        yield from super().compose_body()
        yield Static(Content(_EMBEDDERS), id="knob-help", markup=False)


class AddDocuments(Form[Wanted]):
    """A path that is completed while it is typed, and what becomes of it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "complete", priority=True)]
    HINTS = _HELP
    KEYS = "↑↓ move   Tab completes the path   Enter begins   Esc leaves it"

    def __init__(self, title: str, wanted: Wanted) -> None:
        super().__init__(title)
        self._wanted = wanted

    def compose_body(self) -> ComposeResult:
        """Path with what it may go on as, collection, tags, what happens to files that are gone."""
        self.path = LineField(self._wanted.path, placeholder="a file or folder", id="add-path", compact=True)
        self.name_field = LineField(self._wanted.collection, id="add-name", compact=True)
        self.menu = Completions(id="add-menu")
        yield from knob("Read", self.path)
        yield self.menu
        yield from knob("Collection", self.name_field)
        yield from knob("Tags", LineField(placeholder="none", id="add-tags", compact=True))
        gone = _REMOVED if self._wanted.is_synced else _KEPT
        yield from knob("Files gone", ChoiceLine([_KEPT, _REMOVED], gone, id="add-gone"))
        yield Static(id="knob-help", markup=False)

    def on_descendant_focus(self) -> None:
        """Explain the field in focus; paths are offered while theirs is."""
        super().on_descendant_focus()
        self._look()

    @on(Input.Changed, "#add-path")
    def _typed(self) -> None:
        self.name_field.placeholder = proposed_name(self.path.value) if self.path.value else "named after it"
        self._look()

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        typed = self.path.value
        found = await asyncio.to_thread(paths.documents, typed) if self.path.has_focus and typed else []
        self.menu.offer([Choice(each.path, each.path) for each in found[:OFFERED] if each.path != typed])

    def action_complete(self) -> None:
        """Take the first path that is offered, or go to the next field."""
        if self.path.has_focus and self.menu.choice is not None:
            self.path.value = self.menu.choice.value
            self.path.cursor_position = len(self.path.value)
        else:
            self.focus_next()

    @on(Input.Submitted)
    def action_done(self) -> None:
        """Answer with what was filled in, or say what is wrong with it."""
        wanted = Wanted(
            path=self.path.value.strip(),
            collection=self.name_field.value.strip(),
            tags=self.query_one("#add-tags", Input).value,
            is_synced=self.query_one(ChoiceLine).value == _REMOVED,
        )
        try:
            self.dismiss(checked(wanted))
        except EdgeLLMError as error:
            self.refuse(error, "add-path")
