"""The chat page: one conversation, and what the keys do with it."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from inspect import isawaitable
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets._text_area import TextArea

from edgellm.errors import EdgeLLMError
from edgellm.types import FinishReason
from edgellm_tui import completion
from edgellm_tui.ahead import Ahead
from edgellm_tui.commands import Command, bindings
from edgellm_tui.conversation import Conversation
from edgellm_tui.messages import ConversationChanged, UseTheme
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.render.greeting import greeting_lines
from edgellm_tui.screens.chat_copying import ChatCopying
from edgellm_tui.screens.chat_documents import ChatDocuments
from edgellm_tui.screens.writing import Writing
from edgellm_tui.turns import Turn
from edgellm_tui.widgets.prompt import Prompt
from edgellm_tui.widgets.transcript import Transcript

if TYPE_CHECKING:
    from edgellm.store.records import Rating


RATED: Mapping[int, str] = {1: "Rated good", -1: "Rated poor", 0: "No longer rated"}


class ChatPage(ChatDocuments, ChatCopying):
    """One conversation. Keys typed in the message box never wait for the model."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("chat")

    def __init__(self, edge: Edge, preferences: Preferences, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.edge = edge
        self.preferences = preferences
        self.conversation = Conversation(edge, preferences.default_model, self)
        self.conversation.system = preferences.system_prompt or None
        self._ahead = Ahead(edge)
        self._edited: Turn | None = None

    def compose(self) -> ComposeResult:
        """Messages above, message box below."""
        self.transcript = Transcript(id="transcript")
        self.writing = Writing(id="writing")
        yield self.transcript
        yield self.writing

    def on_mount(self) -> None:
        """Greet."""
        self.conversation_changed(True)

    @property
    def prompt(self) -> Prompt:
        """The message box."""
        return self.writing.prompt

    def focus_default(self) -> None:
        """Typing goes to the message box, from the next key on."""
        self.screen.set_focus(self.prompt)

    # The conversation

    def conversation_changed(self, turns_came_or_went: bool) -> None:
        """Draw what changed; tell the frame about more than a grown answer."""
        if not turns_came_or_went:
            self.transcript.changed()
        elif self.is_attached:  # else the app is closing; what arrives now is in the store
            self.transcript.show(self.conversation.turns, greeting_lines(self.conversation.model))
            self.writing.say_documents(self.conversation.documents)
            self.refresh_bindings()
            self.post_message(ConversationChanged())

    def answer_ended(self, turn: Turn) -> None:
        """Say so where the reader cannot see it; who stopped it knows."""
        if not self.is_attached or (self.display and self.app.screen is self.screen):
            return
        title = self.conversation.title or "Chat"
        if turn.error:
            self.notify(turn.error, title=title, severity="error", timeout=8, markup=False)
        elif turn.finish_reason != FinishReason.CANCELLED:
            self.notify("The answer is ready", title=title, timeout=4, markup=False)

    @work
    async def ask(self, text: str) -> None:
        """Send a prompt and follow its answer."""
        edited, self._edited = self._editing, None
        self.transcript.follow()
        if edited is not None:
            await self.conversation.edit(edited, text)
        else:
            await self.conversation.ask(text)

    @work(exclusive=True, group="open")
    async def open_session(self, session_id: str, message_id: str | None = None, words: Sequence[str] = ()) -> None:
        """Resume a stored conversation: at its end, or at the message in which a search found the words."""
        await self._guarded(self.conversation.open(session_id, message_id))
        found = next((turn for turn in self.conversation.turns if message_id and turn.message_id == message_id), None)
        if found is None:
            self.transcript.follow()
        else:
            self.transcript.call_after_refresh(self.transcript.show_found, found, words)  # the page was out of sight

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except EdgeLLMError as error:
            self.refuse(error)

    # The message box

    @on(Prompt.Sent)
    async def _sent(self, event: Prompt.Sent) -> None:
        try:
            slash = completion.parse_slash(event.text)
        except EdgeLLMError as error:
            self.prompt.fill(event.text)
            self.refuse(error)
            return
        if slash:
            await self._run_slash(*slash)
        else:
            self._ahead.used(self.conversation.model)
            self.ask(completion.message_of(event.text))

    @on(TextArea.Changed)
    def _typed(self) -> None:
        """Open the model while the question is being typed; a command may be about to change the model."""
        text, model = self.prompt.text, self.conversation.model
        if text.strip() and not text.startswith("/") and self._ahead.wanted != model:
            self._open_ahead(model)

    @work
    async def _open_ahead(self, model: str) -> None:
        await self._ahead.open(model)
        self.post_message(ConversationChanged())

    def answer_with(self, model: str) -> None:
        """Another model answers from now on; the conversation and the draft stay."""
        self.conversation.model = model
        self.conversation_changed(True)
        self._typed()

    def answer_from(self, collection: str) -> None:
        """Answers come from this collection from now on, or (empty) from the model alone."""
        self.conversation.documents = collection
        self.conversation_changed(True)

    async def _run_slash(self, command: Command, argument: str) -> None:
        takes = self.SLASH_WITH_ARGUMENT.get(command.id)
        if argument and takes:
            doing = getattr(self, takes)(argument)
            if isawaitable(doing):  # what is sent after the command waits for it
                await doing
        elif command.scope == "app":
            await self.app.run_action(command.action)
        else:
            await self.run_action(command.action)

    @on(Prompt.EditLast)
    def _edit_last(self) -> None:
        if turn := self.conversation.last("user"):
            self._edit(turn)

    @property
    def _editing(self) -> Turn | None:
        """The message that the one in the box will stand beside, while it is on screen."""
        return self._edited if self._edited in self.conversation.turns else None

    def _edit(self, turn: Turn) -> None:
        self._edited = turn
        self.prompt.fill(turn.text.source)
        self.focus_default()
        self.notify("Editing: sending makes a branch, Esc leaves it", timeout=3, markup=False)

    @on(Prompt.Leave)
    def _leave(self) -> None:
        if self.conversation.turns:
            self.transcript.focus()

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Stop is a key only while there is something to stop, sources while an answer names some."""
        if action == "stop":
            return self.conversation.is_answering or self.prompt.menu_open or self._editing is not None
        if action == "sources":
            return bool(self.cited)
        return True

    def action_stop(self) -> None:
        """Close the menu, leave editing, or stop the answer."""
        if self.writing.close_menu():
            return
        if self._editing is not None:
            self._edited = None
            self.prompt.clear()
            self.refresh_bindings()
        else:
            self.conversation.stop()

    def action_new(self) -> None:
        """Begin a new conversation; the draft stays."""
        self.conversation.new()
        self.focus_default()

    def action_prompt(self) -> None:
        """Back to the message box, at the end of the conversation."""
        self.transcript.follow()
        self.focus_default()

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
            before = turn.rating
            await self._guarded(self.conversation.rate(turn, rating))
            if turn.rating != before:  # the mark stands above the answer, which may be out of sight
                self._tell(RATED[turn.rating])

    def action_regenerate(self) -> None:
        """Answer again beside the old answer."""
        turn = self.target_answer
        if turn is None:
            return
        if self.conversation.is_answering:
            self.notify("An answer is on its way: Esc stops it", markup=False)
            return
        self.transcript.follow()
        self.focus_default()
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

    def use_theme(self, name: str) -> None:
        """Wear a theme."""
        self.post_message(UseTheme(name))
