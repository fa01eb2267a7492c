"""The chat page: transcript, message box, and what the keys do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets._text_area import TextArea

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm_tui import completion, files
from edgellm_tui.commands import Command, bindings
from edgellm_tui.conversation import Conversation
from edgellm_tui.messages import ConversationChanged, UseTheme
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.screens.chat_dialogs import ChatDialogs
from edgellm_tui.turns import Turn
from edgellm_tui.widgets.completions import Choice, Completions
from edgellm_tui.widgets.prompt import Prompt
from edgellm_tui.widgets.transcript import Transcript

if TYPE_CHECKING:
    from edgellm.store.records import Rating


class ChatPage(ChatDialogs):
    """One conversation. Keys typed in the message box never wait for the model."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("chat")

    def __init__(self, edge: Edge, preferences: Preferences, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.edge = edge
        self.preferences = preferences
        self.conversation = Conversation(edge, preferences.default_model, self.conversation_changed, self._refuse)
        self.conversation.system = preferences.system_prompt or None
        self._editing: Turn | None = None
        self._code_cursor: tuple[int, int] = (0, 0)
        self._seen_files: list[str] | None = None

    def compose(self) -> ComposeResult:
        """Messages above, menu and message box below."""
        yield Transcript(id="transcript")
        with Vertical(id="writing"):
            yield Completions(id="completions")
            yield Prompt(id="prompt")

    def on_mount(self) -> None:
        """Greet, and be ready to type."""
        self.transcript = self.query_one(Transcript)
        self.prompt = self.query_one(Prompt)
        self.menu = self.query_one(Completions)
        self.prompt.placeholder = "Message   / commands   @ file"
        self.conversation_changed(True)
        self.focus_default()

    def focus_default(self) -> None:
        """Typing goes to the message box."""
        self.prompt.focus()

    # The conversation

    def conversation_changed(self, turns_came_or_went: bool) -> None:
        """Draw what changed; tell the frame about more than a grown answer."""
        if not turns_came_or_went:
            self.transcript.changed()
        elif self.is_attached:  # else the app is closing; what arrives now is in the store
            self._show()
            self.refresh_bindings()
            self.post_message(ConversationChanged())

    def _show(self) -> None:
        self.transcript.show(self.conversation.turns, self._greeting())

    def _greeting(self) -> list[Content]:
        model = clean_line(self.conversation.model)
        return [
            Content(""),
            Content.assemble("  ", ("EdgeLLM", "bold $primary")),
            Content.assemble("  ", ("A language model on your own computer. ", "text"), ("Nothing leaves it.", "dim")),
            Content(""),
            Content.assemble("  ", ("Model  ", "dim"), (model, "name"), ("   Ctrl+T switches", "dim")),
            Content(""),
            Content.assemble(
                "  ",
                ("Enter", "strong"),
                (" sends   ", "dim"),
                ("Ctrl+J", "strong"),
                (" new line   ", "dim"),
                ("/", "strong"),
                (" commands   ", "dim"),
                ("@", "strong"),
                (" puts a file in", "dim"),
            ),
            Content.assemble(
                "  ",
                ("F3", "strong"),
                (" earlier conversations   ", "dim"),
                ("/explain", "strong"),
                (" shows how a model writes", "dim"),
            ),
        ]

    @work(exclusive=False)
    async def ask(self, text: str) -> None:
        """Send a prompt and follow its answer."""
        editing, self._editing = self._editing, None
        self.transcript.follow()
        if editing is not None:
            await self.conversation.edit(editing, text)
        else:
            await self.conversation.ask(text)

    @work(exclusive=True, group="open")
    async def open_session(self, session_id: str, message_id: str | None = None) -> None:
        """Resume a stored conversation."""
        await self._guarded(self.conversation.open(session_id, message_id))
        self.transcript.follow()
        self.focus_default()

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except EdgeLLMError as error:
            self._refuse(error)

    # The message box

    @on(Prompt.Sent)
    async def _sent(self, event: Prompt.Sent) -> None:
        if slash := completion.parse_slash(event.text):
            await self._run_slash(*slash)
        elif event.text.startswith("/") and " " not in event.text and "/" not in event.text[1:]:
            self.prompt.fill(event.text)
            self.notify(f"There is no command {clean_line(event.text)}", severity="warning", markup=False)
        else:
            self.ask(event.text)

    async def _run_slash(self, command: Command, argument: str) -> None:
        takes = self.SLASH_WITH_ARGUMENT.get(command.id)
        if argument and takes:
            getattr(self, takes)(argument)
        elif command.scope == "app":
            await self.app.run_action(command.action)
        else:
            await self.run_action(command.action)

    @on(Prompt.EditLast)
    def _edit_last(self) -> None:
        if turn := self.conversation.last("user"):
            self._edit(turn)

    def _edit(self, turn: Turn) -> None:
        self._editing = turn
        self.prompt.fill(turn.text.source)
        self.prompt.focus()
        self.notify("Editing: sending makes a branch, Esc leaves it", timeout=3, markup=False)

    @on(Prompt.Leave)
    def _leave(self) -> None:
        if self.conversation.turns:
            self.transcript.focus()

    @on(TextArea.Changed, "#prompt")
    async def _typed(self) -> None:
        asked = completion.wanted(self.prompt.text, self.prompt.before_cursor)
        if asked is None:
            self._seen_files = None
            self._offer([])
        elif asked.kind == "slash":
            self._offer(completion.slash_choices(asked.typed))
        else:
            self._find_files(asked.typed)

    @work(exclusive=True, group="files")
    async def _find_files(self, typed: str) -> None:
        found = await asyncio.to_thread(files.matching_files, Path.cwd(), typed)
        self._offer([Choice(name, f"@{name}") for name in found])

    def _offer(self, choices: list[Choice]) -> None:
        self.menu.offer(choices)
        self.prompt.menu_open = bool(choices)

    @on(Prompt.Menu)
    async def _menu(self, event: Prompt.Menu) -> None:
        choice = self.menu.choice
        if event.key in ("up", "down"):
            self.menu.move(1 if event.key == "down" else -1)
        elif choice is not None:
            await self._take(choice, is_run=event.key == "run")
        elif event.key == "run":  # typed faster than the menu could close
            self.prompt.menu_open = False
            self.prompt.action_send()

    async def _take(self, choice: Choice, *, is_run: bool) -> None:
        asked = completion.wanted(self.prompt.text, self.prompt.before_cursor)
        self._offer([])
        if asked is None:
            return
        if asked.kind == "file":
            await self._insert_file(choice.value, len(asked.typed) + 1)
        elif is_run:
            self.prompt.clear()
            found = completion.parse_slash(f"/{choice.value}")
            if found:
                await self._run_slash(*found)
        else:
            self.prompt.fill(f"/{choice.value} ")

    async def _insert_file(self, name: str, typed: int) -> None:
        try:
            text = await asyncio.to_thread(files.read_text_file, Path.cwd() / name)
        except EdgeLLMError as error:
            self._refuse(error)
            return
        self.prompt.put(files.as_prompt(name, text), back=typed)

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Stop is a key only while there is something to stop."""
        if action == "stop":
            return self.conversation.is_answering or self.prompt.menu_open or self._editing is not None
        return True

    def action_stop(self) -> None:
        """Close the menu, leave editing, or stop the answer."""
        if self.prompt.menu_open:
            self._offer([])
        elif self._editing is not None:
            self._editing = None
            self.prompt.clear()
            self.refresh_bindings()
        else:
            self.conversation.stop()

    def action_new(self) -> None:
        """Begin a new conversation; the draft stays."""
        self._editing = None
        self.conversation.new()
        self.focus_default()

    def action_prompt(self) -> None:
        """Back to the message box, at the end of the conversation."""
        self.transcript.follow()
        self.prompt.focus()

    @property
    def target(self) -> Turn | None:
        """The chosen message, or the last answer."""
        return self.transcript.selected or self.conversation.last("assistant")

    @property
    def target_answer(self) -> Turn | None:
        """The chosen answer, or the last one."""
        turn = self.target
        return turn if turn and turn.role == "assistant" else self.conversation.last("assistant")

    @on(Transcript.Wanted)
    async def _wanted(self, event: Transcript.Wanted) -> None:
        await self.run_action(event.action)

    async def action_rate(self, rating: Rating) -> None:
        """Rate the chosen or last answer."""
        turn = self.target_answer
        if turn is not None and self._is_stored(turn):
            await self._guarded(self.conversation.rate(turn, rating))

    def action_regenerate(self) -> None:
        """Answer again beside the old answer."""
        turn = self.target_answer
        if turn is None:
            return
        if self.conversation.is_answering:
            self.notify("An answer is on its way: Esc stops it", markup=False)
            return
        self.transcript.follow()
        self.prompt.focus()
        self._regenerate(turn)

    @work
    async def _regenerate(self, turn: Turn) -> None:
        await self.conversation.regenerate(turn)

    async def action_branch(self, step: int) -> None:
        """Show the neighbouring branch of the chosen message."""
        if turn := self.target:
            await self._guarded(self._switch(turn, step))

    async def _switch(self, turn: Turn, step: int) -> None:
        if shown := await self.conversation.switch(turn, step):
            self.transcript.select(shown)

    def action_edit(self) -> None:
        """Edit the chosen question, or the question of the chosen answer."""
        turns, turn = self.conversation.turns, self.target
        while turn is not None and turn.role != "user":
            at = turns.index(turn)
            turn = turns[at - 1] if at else None
        if turn is not None:
            self._edit(turn)

    def action_reasoning(self) -> None:
        """Open or close the reasoning of the chosen or last answer."""
        if turn := self.target_answer:
            turn.reasoning_open = not turn.reasoning_open
            turn.touch()
            self.transcript.changed()

    def action_copy(self) -> None:
        """Copy the chosen message or the last answer."""
        if turn := self.target:
            self._copy(turn.text.source, "Message copied")

    def action_copy_code(self) -> None:
        """Copy the first code block; pressed again, the next one."""
        turn = self.target_answer
        blocks = turn.text.code_blocks() if turn else []
        if turn is None or not blocks:
            self.notify("There is no code block here", markup=False)
            return
        key, index = self._code_cursor
        index = (index + 1) % len(blocks) if key == turn.key else 0
        self._code_cursor = (turn.key, index)
        self._copy(blocks[index], f"Code block {index + 1} of {len(blocks)} copied")

    def _copy(self, text: str, told: str) -> None:
        self.app.copy_to_clipboard(text)
        self.notify(told, timeout=2, markup=False)

    def copy_block(self, number: str) -> None:
        """Copy a code block of the last answer by its number."""
        turn = self.target_answer
        blocks = turn.text.code_blocks() if turn else []
        if number.isdigit() and 1 <= int(number) <= len(blocks):
            self._copy(blocks[int(number) - 1], f"Code block {number} copied")
        else:
            self.notify(f"There are {len(blocks)} code blocks here", markup=False)

    def use_theme(self, name: str) -> None:
        """Wear a theme."""
        self.post_message(UseTheme(name))
