"""How one model is spoken to: its template, its reasoning tags, and prompts made with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from itertools import chain
from typing import Any

from edgellm.engine.backend import Backend
from edgellm.engine.call_syntax import TAGGED, Calling, CallSyntax, syntax_in
from edgellm.engine.conversation import Kept, fit, fold_system, overflow
from edgellm.engine.prompt import Placeholders, Prompt, Rendering, tokenize_prompt
from edgellm.engine.reasoning import detect_tags, open_block, tag_tokens
from edgellm.engine.render_wire import OUTPUT_LIMIT_BYTES
from edgellm.engine.template import CHATML, PLAIN, Renderer
from edgellm.engine.tool_prompt import (
    Say,
    in_words,
    one_call_a_turn,
    template_messages,
    template_tools,
    uses_tools,
)
from edgellm.engine.tools import NO_TOOLS, ToolUse
from edgellm.engine.wire import Keep
from edgellm.errors import ContextOverflow, InvalidInput, TemplateRejected
from edgellm.types import Message, Tool, ToolCall

ANSWER_SHARE = 4
"""A conversation leaves this share (1/n) of the context to the answer, unless `max_tokens` asks for less."""
TEXT_LIMIT_BYTES = OUTPUT_LIMIT_BYTES * 7 // 8
"""More text than this is not rendered at all: turns are left out first."""
TOKEN_BYTES = 4
"""About the size of a token, for texts that are too large to be counted."""

_PROBE = "35711317192329"
_PROBE_TOOLS = (Tool(name="probe_34155232"),)
_PROBE_CALL = ToolCall(id="call_1", name="probe_51342917", arguments="{}")
_TOOL_PROBE = (
    Message(role="user", content="?"),
    Message(role="assistant", content="", tool_calls=(_PROBE_CALL,)),
    Message(role="tool", content=_PROBE, tool_call_id="call_1"),
)
_PROBE_WORDS = (_PROBE, _PROBE_TOOLS[0].name, _PROBE_CALL.name)

Render = Callable[[tuple[Message, ...]], tuple[Rendering, Prompt]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatPrompt:
    """A conversation, ready for the engine."""

    tokens: tuple[int, ...]
    reasoning_open: bool
    notices: tuple[str, ...]


class ChatFormat:
    """Turns conversations into prompts of one model. One thread uses it."""

    def __init__(self, backend: Backend, renderer: Renderer) -> None:
        self._backend = backend
        self._renderer = renderer
        info = backend.info
        self._template = info.chat_template or self._fallback()
        self._context_tokens = info.context_tokens
        self.reasoning_tags = detect_tags(self._template, backend)
        self.reasoning_tokens = tag_tokens(self.reasoning_tags, backend)
        self.stop: tuple[str, ...] = ("\nUser:",) if self._template == PLAIN else ()
        """Texts that end an answer in this format, besides the model's own end tokens."""
        self._news = [] if info.chat_template else [_FALLBACK_NEWS[self._template]]
        self._takes_system: bool | None = None
        """None until a conversation has a system message."""

    def prompt(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None,
        keep: Keep,
        may_think: bool = True,
        use: ToolUse = NO_TOOLS,
    ) -> ChatPrompt:
        """The prompt for the next answer; a thinking block that the template opens is closed when it may not think.

        Where a tool has to be called, the prompt ends where a call's object begins.

        Raises: InvalidInput, ContextOverflow, TemplateRejected.
        """
        size = _checked_size(messages, use.tools)
        render = cache(partial(self._render, tools=use.tools))  # fitting renders what is then sent
        kept = Kept(messages=tuple(messages))
        if keep == "newest":
            kept = self._fit(messages, render, max_tokens, _tool_bytes(use.tools))
        elif size > TEXT_LIMIT_BYTES:
            raise self._too_large(size)
        rendering, prompt = render(kept.messages)
        notices = [notice for notice in (*self._news, _left_out(kept), prompt.notice) if notice]
        self._news = []
        block = open_block(rendering.tail, self.reasoning_tags)
        ending = f"\n{block[1]}\n\n" if block is not None and not may_think else ""
        ending += self.call_syntax.prefix if use.wanted else ""
        ended = self._backend.tokenize(ending, parse_special=True, add_bos=False) if ending else []
        return ChatPrompt(
            tokens=(*prompt.tokens, *ended),
            reasoning_open=block is not None and may_think,
            notices=tuple(notices),
        )

    def count(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> int:
        """Tokens of the prompt for the next answer, whether the context holds it or not.

        Raises: InvalidInput, TemplateRejected, ContextOverflow for more text than is ever rendered.
        """
        size = _checked_size(messages, tools)
        if size > TEXT_LIMIT_BYTES:
            raise self._too_large(size)
        return len(self._render(tuple(messages), tuple(tools))[1].tokens)

    @property
    def call_syntax(self) -> CallSyntax:
        """How the model calls tools: as its template says, or as it is told in words."""
        syntax = syntax_in(self._template)
        return syntax if syntax is not None and self._knows_tools else TAGGED

    @cached_property
    def _knows_tools(self) -> bool:
        """Whether the template shows tools, calls and results, and asks for calls in a way that is read."""
        is_known = syntax_in(self._template) is not None and self._shows(_TOOL_PROBE, _PROBE_TOOLS, _PROBE_WORDS)
        self._news += [] if is_known else [NO_TOOLS_SHOWN]
        return is_known

    def calling(self, use: ToolUse) -> Calling | None:
        """How calls are told from text in the answer; None where no tool is offered."""
        if not use.tools:
            return None
        syntax = self.call_syntax
        names = frozenset(tool.name for tool in use.wanted or use.tools)
        tags = [(tag, tag) for tag in syntax.tags]
        return Calling(syntax=syntax, names=names, is_open=bool(use.wanted), tokens=tag_tokens(tags, self._backend))

    def answer_tokens(self, text: str) -> list[int]:
        """An answer as the model would write it: plain text, whatever it spells."""
        return self._backend.tokenize(text, parse_special=False, add_bos=False)

    def end_after(self, messages: Sequence[Message]) -> int:
        """The token with which the template ends the last of the messages.

        Raises: TemplateRejected when no token ends a turn.
        """
        parts = self._render(tuple(messages))[0].parts
        tail = parts[-1].text if parts else ""
        texts = (tail, self._backend.info.eos_text)
        tokens = [self._backend.tokenize(text, parse_special=True, add_bos=False) for text in texts if text]
        for token in chain.from_iterable(tokens):
            if self._backend.is_end(token):
                return token
        raise TemplateRejected("The model has no token that ends a turn.", hint="Choose another base model.")

    def _fit(self, messages: Sequence[Message], render: Render, max_tokens: int | None, tool_bytes: int) -> Kept:
        def count(some: Sequence[Message]) -> int:
            size = _text_bytes(some) + tool_bytes
            if size > TEXT_LIMIT_BYTES:
                return max(self._context_tokens, size // TOKEN_BYTES)  # too much to render
            return len(render(tuple(some))[1].tokens)

        share = max(1, self._context_tokens // ANSWER_SHARE)
        answer_tokens = min(share, max_tokens) if max_tokens else share
        return fit(messages, count, context_tokens=self._context_tokens, answer_tokens=answer_tokens)

    def _too_large(self, size_bytes: int) -> ContextOverflow:
        return overflow(max(self._context_tokens, size_bytes // TOKEN_BYTES), self._context_tokens)

    def _render(self, messages: tuple[Message, ...], tools: tuple[Tool, ...] = ()) -> tuple[Rendering, Prompt]:
        messages, tools = self._shaped(messages, tools)
        texts: list[str] = []

        def kept(text: str) -> str:
            texts.append(text)
            return text

        as_it_is = self._variables(messages, tools, kept)
        placeholders = Placeholders(texts)
        names = iter(placeholders.names)  # asked for in the same order
        replaced = self._variables(messages, tools, lambda _: next(names))
        reference, skeleton = self._renderer.render(self._template, [as_it_is, replaced])
        rendering = Rendering(texts=texts, reference=reference, parts=placeholders.split(skeleton))
        info = self._backend.info
        add_bos = info.has_bos and not (info.bos_text and reference.startswith(info.bos_text))
        return rendering, tokenize_prompt(self._backend, rendering, add_bos=add_bos)

    def _shaped(
        self, messages: tuple[Message, ...], tools: tuple[Tool, ...]
    ) -> tuple[tuple[Message, ...], tuple[Tool, ...]]:
        """The conversation without what the template does not know: tools, several calls a turn, a system message."""
        if tools or uses_tools(messages):
            if not self._knows_tools:
                messages, tools = in_words(messages, tools), ()
            elif self.call_syntax.takes_one_call:
                messages = one_call_a_turn(messages)
        if messages[0].role == "system" and not self._is_system_taken():
            messages = fold_system(messages)
        return messages, tools

    def _is_system_taken(self) -> bool:
        """Whether the template writes system messages down; some refuse them, some leave them out. Tried once."""
        if self._takes_system is None:
            probe = (Message(role="system", content=_PROBE), Message(role="user", content="?"))
            is_refused = not self._shows(probe) and self._shows(fold_system(probe))
            self._takes_system = not is_refused
            self._news += [NO_SYSTEM] if is_refused else []
        return self._takes_system

    def _shows(self, messages: Sequence[Message], tools: Sequence[Tool] = (), words: Sequence[str] = (_PROBE,)) -> bool:
        """Whether the template writes the words of a probe down."""
        variables = self._variables(messages, tools, str)
        try:
            (text,) = self._renderer.render(self._template, [variables])
        except TemplateRejected:
            return False
        return all(word in text for word in words)

    def _variables(self, messages: Sequence[Message], tools: Sequence[Tool], say: Say) -> dict[str, Any]:
        info = self._backend.info
        return {
            "messages": template_messages(messages, say),
            "add_generation_prompt": True,
            "bos_token": info.bos_text,
            "eos_token": info.eos_text,
            "tools": template_tools(tools, say),
        }

    def _fallback(self) -> str:
        marker = self._backend.tokenize("<|im_start|>", parse_special=True, add_bos=False)
        return CHATML if len(marker) == 1 else PLAIN


NO_SYSTEM = "The model's chat template takes no system message; its text was put before the first user message."
NO_TOOLS_SHOWN = "The model's chat template knows no tools; they were described in the system message."
_FALLBACK_NEWS = {
    CHATML: "The model file has no chat template; ChatML is used, because its vocabulary has ChatML's markers.",
    PLAIN: "The model file has no chat template; turns are written as plain text. A base model continues text "
    "rather than answering.",
}


def _checked_size(messages: Sequence[Message], tools: Sequence[Tool]) -> int:
    """Bytes of all text. Raises: InvalidInput without a message."""
    if not messages:
        raise InvalidInput("The conversation has no messages.", field="messages")
    return _text_bytes(messages) + _tool_bytes(tools)


def _text_bytes(messages: Sequence[Message]) -> int:
    calls = (call for message in messages for call in message.tool_calls)
    texts = (*(message.content for message in messages), *(call.arguments for call in calls))
    return sum(len(text.encode()) for text in texts)


def _tool_bytes(tools: Sequence[Tool]) -> int:
    return sum(len(tool.description.encode()) + len(tool.parameters.encode()) for tool in tools)


def _left_out(kept: Kept) -> str:
    if not kept.left_out_turns:
        return ""
    what = "The oldest turn was" if kept.left_out_turns == 1 else f"The {kept.left_out_turns} oldest turns were"
    return f"{what} left out, because the conversation is longer than the context."
