"""The lower part of the chat page: the message box, and the menu that completes commands and files in it."""

from __future__ import annotations

import asyncio

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets._text_area import TextArea

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm_tui import completion, files
from edgellm_tui.messages import Refused
from edgellm_tui.widgets.completions import Choice, Completions
from edgellm_tui.widgets.prompt import Prompt


class Writing(Vertical):
    """What is sent travels on to the page as `Prompt.Sent`, commands too."""

    def compose(self) -> ComposeResult:
        """Menu above, message box below."""
        self.menu = Completions(id="completions")
        self.prompt = Prompt(id="prompt")
        self.prompt.placeholder = "Message   / commands   @ file"
        yield self.menu
        yield self.prompt

    def say_documents(self, collection: str) -> None:
        """Say on the message box which collection answers come from; empty: none."""
        said = Content(f"from {clean_line(collection)}") if collection else None
        self.prompt.border_title = said

    def close_menu(self) -> bool:
        """Put the menu away. Returns whether it was open."""
        was_open = self.prompt.menu_open
        self._offer([])
        return was_open

    @property
    def _wanted(self) -> completion.Wanted | None:
        return completion.wanted(self.prompt.text, self.prompt.before_cursor)

    def _offer(self, choices: list[Choice]) -> None:
        self.menu.offer(choices)
        self.prompt.menu_open = bool(choices)

    @on(TextArea.Changed)
    def _typed(self) -> None:
        wanted = self._wanted
        if wanted is None:
            self._offer([])
        elif wanted.kind == "slash":
            self._offer(completion.slash_choices(wanted.typed))
        else:
            self._find_files(wanted)

    @work(exclusive=True, group="files")
    async def _find_files(self, wanted: completion.Wanted) -> None:
        found = await asyncio.to_thread(files.matching_files, wanted.typed)
        if wanted == self._wanted:  # else more was typed meanwhile
            self._offer([Choice(name, f"@{name}") for name in found])

    @on(Prompt.Menu)
    async def _menu(self, event: Prompt.Menu) -> None:
        event.stop()
        choice, wanted = self.menu.choice, self._wanted
        if event.key in ("up", "down"):
            self.menu.move(1 if event.key == "down" else -1)
        elif choice is not None and wanted is not None:
            await self._take(choice, wanted, is_run=event.key == "run")
        elif event.key == "run":  # typed faster than the menu could close
            self.close_menu()
            self.prompt.call_later(self.prompt.action_send)  # as its own, or the message would end here

    async def _take(self, choice: Choice, wanted: completion.Wanted, *, is_run: bool) -> None:
        self.close_menu()
        if wanted.kind == "file":
            await self._insert_file(choice.value, len(wanted.typed) + 1)
        elif is_run:
            self.prompt.clear()
            self.post_message(Prompt.Sent(f"/{choice.value}"))
        else:
            self.prompt.fill(f"/{choice.value} ")

    async def _insert_file(self, name: str, typed: int) -> None:
        end = self.prompt.cursor_location  # letters typed while the file is read stand after it
        try:
            text = await asyncio.to_thread(files.read_text_file, name)
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        self.prompt.put(files.as_prompt(name, text), end, back=typed)
