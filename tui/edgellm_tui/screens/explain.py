"""How the model writes: the same prompt again, token by token, with what each token was chosen from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm.types import Delta, Loading, Message, Sampling, TokenTrace
from edgellm_tui.commands import bindings
from edgellm_tui.errors import explain
from edgellm_tui.ports import Edge, ReplyStream
from edgellm_tui.render import explain as words
from edgellm_tui.widgets.status import KeyLine

ALTERNATIVES = 6
MOST_TOKENS = 120
EXAMPLE = "Why is the sky blue? Answer in one sentence."


class ExplainScreen(Screen[None]):
    """Asks for log-probabilities, then lets the reader step through the answer."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("explain")
    IS_LEFT_AT_ONCE = True

    def __init__(
        self,
        edge: Edge,
        model: str,
        prompt: str,
        sampling: Sampling,
        *,
        history: Sequence[Message] = (),
        documents: str | None = None,
    ) -> None:
        """`history` comes before the prompt, and passages of the collection `documents` with it.

        With these and an answer's own seed, that answer is written again.
        """
        super().__init__()
        self._documents = documents
        self._history = tuple(history)
        self._edge, self._model = edge, model
        self._prompt = prompt.strip() or EXAMPLE
        longest = min(sampling.max_tokens or MOST_TOKENS, MOST_TOKENS)
        self._sampling = replace(sampling, logprobs=ALTERNATIVES, max_tokens=longest, n=1)
        self._prompt_tokens: list[str] = []
        self._traces: list[TokenTrace] = []
        self._current = 0
        self._stream: ReplyStream | None = None
        self._trouble = ""

    def compose(self) -> ComposeResult:
        """Title, what happens, the text as tokens, the choice, keys."""
        yield Static(id="explain-title", markup=False)
        yield Static(id="explain-story", markup=False)
        with VerticalScroll(id="explain-tokens", can_focus=False):
            yield Static(id="explain-text", markup=False)
        yield Static(id="explain-choice", markup=False)
        yield KeyLine(id="explain-keys")

    def on_mount(self) -> None:
        """Begin writing."""
        self._write()
        self._draw()

    def on_unmount(self) -> None:
        """Nobody watches any more."""
        if self._stream is not None:
            self._stream.cancel()

    def on_resize(self) -> None:
        """Boxes flow again."""
        self._draw()

    @work
    async def _write(self) -> None:
        try:
            tokens = await self._edge.tokenize(self._prompt, model=self._model)
            self._prompt_tokens = [token.text for token in tokens]
            self._draw()
            asked: str | list[Message] = self._prompt
            if self._history:
                asked = [*self._history, Message(role="user", content=self._prompt)]
            self._stream = await self._edge.chat(
                asked, stream=True, model=self._model, sampling=self._sampling, documents=self._documents
            )
            async for event in self._stream:
                if isinstance(event, Loading):
                    self._trouble = f"Loading {clean_line(event.model)}: {event.fraction:.0%}"
                elif isinstance(event, Delta):
                    self._trouble = ""
                    self._traces.extend(event.tokens)
                self._draw()
        except EdgeLLMError as error:
            self._trouble = explain(error)
        self._draw()

    # Drawing

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        width = max(self.size.width - 4, 20)
        self._put("explain-title", self._title())
        self._put("explain-story", Content(self._story()))
        lines = [Content.styled(f"What it read  {_count(len(self._prompt_tokens))}", "bold $primary")]
        lines += [*words.prompt_boxes(self._prompt_tokens, width), Content("")]
        lines.append(self._legend())
        first = len(lines)
        boxes, row = words.answer_boxes(self._traces, self._current, width)
        self._put("explain-text", Content("\n").join([*lines, *boxes]))
        self._put("explain-choice", Content("\n").join(self._choice(width)))
        self.query_one("#explain-tokens").scroll_to(y=max(0, first + row - 3), animate=False)

    def _put(self, name: str, content: Content) -> None:
        self.query_one(f"#{name}", Static).update(content)

    def _title(self) -> Content:
        place = f"token {self._current + 1} of {len(self._traces)}" if self._traces else "…"
        return Content.assemble(
            (" How the model writes", "bold $primary"),
            (f"   {clean_line(self._model)}", "$text-secondary"),
            (f"   {place}", "$foreground 60%"),
        )

    def _story(self) -> str:
        if self._trouble:
            return self._trouble
        if not self._traces:
            return "Text is cut into tokens: pieces of words that the model knows by number. It never sees letters."
        return words.story(self._traces, self._current, self._sampling.temperature)

    def _legend(self) -> Content:
        return Content.assemble(
            ("What it wrote  ", "bold $primary"),
            (" sure ", "$foreground on $success 35%"),
            " ",
            (" in doubt ", "$foreground on $warning 30%"),
            " ",
            (" a long shot ", "$foreground on $error 35%"),
        )

    def _choice(self, width: int) -> list[Content]:
        if not self._traces:
            return []
        trace = self._traces[self._current]
        head = Content.styled(f"Token {self._current + 1}: what could have come here", "bold")
        foot = Content.styled(f"  {words.certainty(trace.entropy)}", "$foreground 65%")
        return [head, *words.choice_lines(trace, width), foot]

    # Actions

    def action_step(self, step: int) -> None:
        """Go to a neighbouring token."""
        self._go(self._current + step)

    def action_jump(self, index: int) -> None:
        """Go to the first (0) or last (-1) token."""
        self._go(index if index >= 0 else len(self._traces) - 1)

    def action_least_sure(self) -> None:
        """Go where the entropy is highest."""
        self._go(words.least_sure(self._traces))

    def _go(self, index: int) -> None:
        self._current = min(max(index, 0), max(len(self._traces) - 1, 0))
        self._draw()


def _count(tokens: int) -> str:
    return "1 token" if tokens == 1 else f"{tokens} tokens"
