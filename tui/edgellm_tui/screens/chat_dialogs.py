"""What the chat page asks in dialogs: model, system prompt, sampling, title, correction, export."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import work
from textual.containers import Vertical
from textual.content import Content

from edgellm.errors import EdgeLLMError, InvalidInput
from edgellm.safetext import clean_line
from edgellm.types import Message, Sampling
from edgellm_tui.conversation import Conversation
from edgellm_tui.evidence import stored_evidence
from edgellm_tui.export import export_session, new_file_name
from edgellm_tui.messages import ConversationChanged, Refused
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.turns import Turn

NEW_PROMPT = "\0new"
NOT_YET = "This answer is not stored yet: wait until it is written, or press Esc"


class ChatDialogs(Vertical):
    """Half of the chat page: each action opens a dialog and applies its answer."""

    edge: Edge
    conversation: Conversation
    preferences: Preferences

    SLASH_WITH_ARGUMENT: ClassVar[Mapping[str, str]] = {
        "chat.model": "use_model",
        "chat.system": "set_system",
        "chat.rename": "rename",
        "chat.export": "export",
        "chat.explain": "explain_text",
        "chat.copy": "copy_block",
        "chat.documents": "use_documents",
        "app.theme": "use_theme",
    }
    """Commands whose slash form takes its argument directly: id to method."""

    @property
    @abstractmethod
    def target_answer(self) -> Turn | None:
        """The answer that actions are about; the page knows which one is chosen."""

    def _tell(self, text: str) -> None:
        self.notify(clean_line(text), timeout=3, markup=False)

    def refuse(self, error: EdgeLLMError) -> None:
        """Say what could not be done."""
        self.post_message(Refused(error))

    # Model

    @work(exclusive=True, group="dialog")
    async def action_switch_model(self) -> None:
        """Choose the model; the conversation stays."""
        from edgellm_tui.catalogue import HEAD, alias_line, installed_rows
        from edgellm_tui.screens.dialog import Pick, Row

        try:
            rows, aliases = await installed_rows(self.edge), await self.edge.aliases.list()
        except EdgeLLMError as error:
            self.refuse(error)
            return
        lines = [Row(row.name, row.columns(), row.search) for row in rows if row.is_chat]
        lines += [Row(alias.name, alias_line(alias), f"{alias.name} {alias.target}") for alias in aliases]
        pick = Pick("Model for this conversation", lines, self.conversation.model, head=HEAD)
        chosen = await self.app.push_screen_wait(pick)
        if chosen:
            await self.use_model(chosen)

    async def use_model(self, name: str) -> None:
        """Answer with this model from now on, if there is one of this name that can chat; else the one before stays."""
        try:
            model = await self.edge.models.resolve(name)
            if (await self.edge.models.inspect(model)).shape.is_embedder:
                raise InvalidInput(f"{name!r} is an embedder: it turns text into vectors and cannot chat.")
        except EdgeLLMError as error:
            self.refuse(error)
            return
        self.answer_with(model)
        self._tell(f"{model} answers from now on")

    @abstractmethod
    def answer_with(self, model: str) -> None:
        """Another model, which is known to be there, answers from now on."""

    # System prompt

    @work(exclusive=True, group="dialog")
    async def action_system_prompt(self) -> None:
        """Choose or write the system prompt."""
        from edgellm_tui.screens.dialog import AskLine, AskText, Pick, Row

        rows = [Row(NEW_PROMPT, Content.styled("Write or edit…", "bold")), Row("", Content("None"))]
        for name, text in sorted(self.preferences.prompts.items()):
            note = f"  {clean_line(text)[:60]}"
            rows.append(Row(text, Content.assemble((clean_line(name), "bold"), (note, "$foreground 60%"))))
        chosen = await self.app.push_screen_wait(Pick("System prompt", rows, self.conversation.system or ""))
        if chosen != NEW_PROMPT:
            if chosen is not None:
                self.set_system(chosen)
            return
        text = await self.app.push_screen_wait(AskText("System prompt", self.conversation.system or ""))
        if text is None:
            return
        self.set_system(text.strip())
        name = await self.app.push_screen_wait(AskLine("Keep it in the library as", hint="a name, or empty: no"))
        if name and text.strip():
            await self._keep_prompt(name, text.strip())

    async def _keep_prompt(self, name: str, text: str) -> None:
        try:
            await asyncio.to_thread(self.preferences.save, f"prompts.{name}", text)
        except EdgeLLMError as error:
            self.refuse(error)

    def set_system(self, text: str) -> None:
        """Begin every answer of this conversation with this instruction."""
        self.conversation.system = text or None
        self._tell("System prompt set" if text else "No system prompt")

    # Sampling

    @work(exclusive=True, group="dialog")
    async def action_sampling(self) -> None:
        """Change how tokens are chosen."""
        from edgellm_tui.screens.sampling import SamplingPanel

        current = self.conversation.sampling or self.preferences.sampling
        chosen = await self.app.push_screen_wait(SamplingPanel(current))
        if chosen is not None:
            self.conversation.sampling = chosen
            self._tell("Sampling changed for this conversation")

    # Correction

    def _is_stored(self, turn: Turn) -> bool:
        """Whether it can be judged; says so if not."""
        if turn.message_id is None:
            self._tell(NOT_YET if turn.is_open else "This answer was not stored")
        return turn.message_id is not None

    @work(exclusive=True, group="dialog")
    async def action_correct(self) -> None:
        """Write what the answer should have been."""
        from edgellm_tui.screens.dialog import AskText

        turn = self.target_answer
        if turn is None or not self._is_stored(turn):
            return
        text = await self.app.push_screen_wait(AskText("The better answer", turn.text.source, is_replaced=True))
        if not text or text.strip() in ("", turn.text.source.strip()):
            return
        try:
            await self.conversation.correct(turn, text)
            self._tell("Correction saved")
        except EdgeLLMError as error:
            self.refuse(error)

    # Explain

    @work(exclusive=True, group="dialog")
    async def action_explain(self) -> None:
        """Show how the chosen or last answer was written, with the same history and seed; or else an example."""
        turn = self.target_answer
        if turn is not None and not self._is_stored(turn):
            return
        try:
            branch = await self.conversation.branch_to(turn)
        except EdgeLLMError as error:
            self.refuse(error)
            return
        if len(branch) < 2:
            self.explain_text("")
            return
        *before, question, answer = branch
        history = [Message(role=stored.role, content=stored.content) for stored in before]
        if self.conversation.system:
            history.insert(0, Message(role="system", content=self.conversation.system))
        evidence = stored_evidence(answer.evidence)
        self._explain(question.content, answer.sampling, history, evidence.collection if evidence else None)

    def explain_text(self, text: str) -> None:
        """Show how the model answers a prompt, token by token."""
        self._explain(text, None, ())

    def _explain(
        self, text: str, sampling: Sampling | None, history: Sequence[Message], documents: str | None = None
    ) -> None:
        from edgellm_tui.screens.explain import ExplainScreen

        chosen = sampling or self.conversation.sampling or self.preferences.sampling
        model = self.conversation.model
        self.app.push_screen(ExplainScreen(self.edge, model, text, chosen, history=history, documents=documents))

    # Numbers

    @work(exclusive=True, group="dialog")
    async def action_stats(self) -> None:
        """Show speed, memory and cache of the model."""
        from edgellm_tui.screens.dialog import Reading
        from edgellm_tui.screens.stats import stats_lines

        try:
            metrics = await self.edge.stats(self.conversation.model)
            memory = await self.edge.memory_bytes(self.conversation.model)
        except EdgeLLMError as error:
            self.refuse(error)
            return
        self.app.push_screen(Reading(f"{self.conversation.model} in numbers", stats_lines(metrics, memory)))

    # Title and export

    @work(exclusive=True, group="dialog")
    async def action_rename(self) -> None:
        """Give the conversation a title."""
        from edgellm_tui.screens.dialog import AskLine

        if self.conversation.session is None:
            self._tell("Nothing to rename yet: send a message first")
            return
        title = await self.app.push_screen_wait(AskLine("Title", self.conversation.title))
        if title:
            self.rename(title)

    @work
    async def rename(self, title: str) -> None:
        """Give the conversation this title."""
        if self.conversation.session is None:
            return
        try:
            self.conversation.session = await self.edge.sessions.rename(self.conversation.session.id, title)
            self.post_message(ConversationChanged())
        except EdgeLLMError as error:
            self.refuse(error)

    @work(exclusive=True, group="dialog")
    async def action_export(self) -> None:
        """Ask for a file name and export the conversation."""
        from edgellm_tui.screens.dialog import AskLine

        if self.conversation.session is None:
            self._tell("Nothing to export yet: send a message first")
            return
        proposed = new_file_name(self.conversation.title, "md")
        name = await self.app.push_screen_wait(AskLine("Export to (.md or .json)", proposed))
        if name:
            self.export(name)

    @work
    async def export(self, name: str) -> None:
        """Write the conversation to a file; `.json` keeps every branch."""
        if self.conversation.session is None:
            return
        try:
            path = await export_session(self.edge, self.conversation.session.id, name)
            self._tell(f"Exported to {path}")
        except EdgeLLMError as error:
            self.refuse(error)
