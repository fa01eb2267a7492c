"""How one model is spoken to: its template, its reasoning tags, and prompts made with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

from edgellm.engine.backend import Backend
from edgellm.engine.conversation import Kept, fit, fold_system, overflow
from edgellm.engine.prompt import Placeholders, Prompt, Rendering, tokenize_prompt
from edgellm.engine.reasoning import detect_tags, open_block, tag_tokens
from edgellm.engine.render_wire import OUTPUT_LIMIT_BYTES
from edgellm.engine.template import CHATML, PLAIN, Renderer
from edgellm.engine.wire import Keep
from edgellm.errors import InvalidInput, TemplateRejected
from edgellm.types import Message

ANSWER_SHARE = 4
"""A conversation leaves this share (1/n) of the context to the answer, unless `max_tokens` asks for less."""
TEXT_LIMIT_BYTES = OUTPUT_LIMIT_BYTES * 7 // 8
"""More text than this is not rendered at all: turns are left out first."""
TOKEN_BYTES = 4
"""About the size of a token, for texts that are too large to be counted."""

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
        self, messages: Sequence[Message], *, max_tokens: int | None, keep: Keep, may_think: bool = True
    ) -> ChatPrompt:
        """The prompt for the next answer; a thinking block that the template opens is closed when it may not think.

        Raises: InvalidInput, ContextOverflow, TemplateRejected.
        """
        if not messages:
            raise InvalidInput("The conversation has no messages.", field="messages")
        render = cache(self._render)  # fitting renders what is then sent
        kept = Kept(messages=tuple(messages))
        if keep == "newest":
            kept = self._fit(messages, render, max_tokens)
        elif (size := _text_bytes(messages)) > TEXT_LIMIT_BYTES:
            raise overflow(max(self._context_tokens, size // TOKEN_BYTES), self._context_tokens)
        rendering, prompt = render(kept.messages)
        notices = [notice for notice in (*self._news, _left_out(kept), prompt.notice) if notice]
        self._news = []
        block = open_block(rendering.tail, self.reasoning_tags)
        closing: list[int] = []
        if block is not None and not may_think:
            closing = self._backend.tokenize(f"\n{block[1]}\n\n", parse_special=True, add_bos=False)
        return ChatPrompt(
            tokens=(*prompt.tokens, *closing),
            reasoning_open=block is not None and may_think,
            notices=tuple(notices),
        )

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

    def _fit(self, messages: Sequence[Message], render: Render, max_tokens: int | None) -> Kept:
        def count(some: Sequence[Message]) -> int:
            size = _text_bytes(some)
            if size > TEXT_LIMIT_BYTES:
                return max(self._context_tokens, size // TOKEN_BYTES)  # too much to render
            return len(render(tuple(some))[1].tokens)

        share = max(1, self._context_tokens // ANSWER_SHARE)
        answer_tokens = min(share, max_tokens) if max_tokens else share
        return fit(messages, count, context_tokens=self._context_tokens, answer_tokens=answer_tokens)

    def _render(self, messages: tuple[Message, ...]) -> tuple[Rendering, Prompt]:
        if messages[0].role == "system" and not self._is_system_taken():
            messages = fold_system(messages)
        texts = [message.content for message in messages]
        placeholders = Placeholders(texts)
        variables = [self._variables(messages, contents) for contents in (texts, placeholders.names)]
        reference, skeleton = self._renderer.render(self._template, variables)
        rendering = Rendering(texts=texts, reference=reference, parts=placeholders.split(skeleton))
        info = self._backend.info
        add_bos = info.has_bos and not (info.bos_text and reference.startswith(info.bos_text))
        return rendering, tokenize_prompt(self._backend, rendering, add_bos=add_bos)

    def _is_system_taken(self) -> bool:
        """Whether the template writes system messages down; some refuse them, some leave them out. Tried once."""
        if self._takes_system is None:
            probe = (Message(role="system", content=_PROBE), Message(role="user", content="?"))
            is_refused = not self._shows_probe(probe) and self._shows_probe(fold_system(probe))
            self._takes_system = not is_refused
            self._news += [NO_SYSTEM] if is_refused else []
        return self._takes_system

    def _shows_probe(self, messages: Sequence[Message]) -> bool:
        variables = self._variables(messages, [message.content for message in messages])
        try:
            return any(_PROBE in text for text in self._renderer.render(self._template, [variables]))
        except TemplateRejected:
            return False

    def _variables(self, messages: Sequence[Message], contents: Sequence[str]) -> dict[str, Any]:
        info = self._backend.info
        return {
            "messages": [
                {"role": message.role, "content": content} for message, content in zip(messages, contents, strict=True)
            ],
            "add_generation_prompt": True,
            "bos_token": info.bos_text,
            "eos_token": info.eos_text,
            "tools": None,
        }

    def _fallback(self) -> str:
        marker = self._backend.tokenize("<|im_start|>", parse_special=True, add_bos=False)
        return CHATML if len(marker) == 1 else PLAIN


_PROBE = "35711317192329"
NO_SYSTEM = "The model's chat template takes no system message; its text was put before the first user message."
_FALLBACK_NEWS = {
    CHATML: "The model file has no chat template; ChatML is used, because its vocabulary has ChatML's markers.",
    PLAIN: "The model file has no chat template; turns are written as plain text. A base model continues text "
    "rather than answering.",
}


def _text_bytes(messages: Sequence[Message]) -> int:
    return sum(len(message.content.encode()) for message in messages)


def _left_out(kept: Kept) -> str:
    if not kept.left_out_turns:
        return ""
    what = "The oldest turn was" if kept.left_out_turns == 1 else f"The {kept.left_out_turns} oldest turns were"
    return f"{what} left out, because the conversation is longer than the context."
