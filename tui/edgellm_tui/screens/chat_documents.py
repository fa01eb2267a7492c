"""Answers from documents in the chat: which collection they come from, and the passages they cite."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm_tui.evidence import Source, marks, sources
from edgellm_tui.screens.chat_dialogs import ChatDialogs
from edgellm_tui.screens.dialog import Dialog, Pick, Row

OFF = "off"
"""What `/docs` takes in place of a collection."""
NO_COLLECTION = "There is no collection yet; F5 on the documents page (Ctrl+F) makes one"
DIGITS = 9
"""Sources that a digit opens."""


class ChooseSource(Dialog[int]):
    """Answers with the number of a source."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding(str(digit), f"take({digit})") for digit in range(1, DIGITS + 1)]
    KEYS = "its digit opens it   ↑↓ choose   Enter opens   Esc leaves"

    def __init__(self, found: Sequence[Source]) -> None:
        super().__init__("Open which source?")
        self._sources = found

    def compose_body(self) -> ComposeResult:
        """The sources, the first highlighted."""
        lines = [Content.assemble((f"[{each.number}] ", "bold $primary"), each.place) for each in self._sources]
        yield OptionList(*(Option(line) for line in lines), id="dialog-list")

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._sources[event.option_index].number)

    def action_take(self, number: int) -> None:
        """Take the source of this number, if there is one."""
        if number in (source.number for source in self._sources):
            self.dismiss(number)


class ChatDocuments(ChatDialogs):
    """A part of the chat page."""

    @abstractmethod
    def answer_from(self, collection: str) -> None:
        """Answers come from this collection, which is known to be there, or (empty) from the model alone."""

    @work(exclusive=True, group="dialog")
    async def action_documents(self) -> None:
        """Answer from documents no longer, or choose a collection."""
        if self.conversation.documents:
            await self.use_documents(OFF)
            return
        try:
            names = [info.name for info in await self.edge.collections.list()]
        except EdgeLLMError as error:
            self.refuse(error)
            return
        if not names:
            self._tell(NO_COLLECTION)
            return
        rows = [Row(name, Content(clean_line(name))) for name in names]
        if chosen := await self.app.push_screen_wait(Pick("Answer from which documents?", rows)):
            await self.use_documents(chosen)

    async def use_documents(self, name: str) -> None:
        """Answer from this collection from now on, if it is there, as the message box says; `off` ends that."""
        if name == OFF:
            self.answer_from("")
            self._tell("The model answers without documents again")
            return
        try:
            await self.edge.documents(name).files()
        except EdgeLLMError as error:
            self.refuse(error)
            return
        self.answer_from(name)

    @property
    def cited(self) -> Sequence[Source]:
        """The sources of the chosen or last answer."""
        turn = self.target_answer
        return sources(turn.evidence) if turn else ()

    @work(exclusive=True, group="dialog")
    async def action_sources(self) -> None:
        """Open the page of a source, its sentences marked; of several the user chooses one."""
        turn, found = self.target_answer, {source.number: source for source in self.cited}
        if turn is None or turn.evidence is None or not found:
            return
        if len(found) == 1:
            chosen: int | None = next(iter(found))
        else:
            chosen = await self.app.push_screen_wait(ChooseSource(list(found.values())))
        if chosen is not None:
            await self._open(turn.evidence.collection, found[chosen])

    async def _open(self, collection: str, source: Source) -> None:
        from edgellm_tui.screens.passage import PassageScreen

        first = source.citations[0]
        try:
            page = await self.edge.documents(collection).page(first.file, first.start, first.end)
        except EdgeLLMError as error:
            self.refuse(error)
            return
        marked = marks(source, page.text, page.start - first.start)
        if not marked:
            self._tell(f"{source.place} has changed since: it does not hold the sentence any more")
        self.app.push_screen(PassageScreen(page, marked))
