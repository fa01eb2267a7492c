"""How many tokens a conversation has for a model: its own template, its own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from edgellm.engine.conversation import fold_system
from edgellm.engine.supervisor import Worker
from edgellm.engine.template import CHATML, PLAIN, Renderer
from edgellm.errors import TemplateRejected
from edgellm.types import Message


class TokenMeasure:
    """Counts whole conversations, answers included, as a trainer reads them. Close it: a process renders for it."""

    def __init__(self, model: str, worker: Worker) -> None:
        self.model = model
        self._worker = worker
        info = worker.info
        self._markers = {"bos_token": info.bos_text, "eos_token": info.eos_text}
        self._begin_tokens = int(info.has_bos)
        self._bos_text = info.bos_text
        self._template = info.chat_template or self._fallback()
        self._renderer = Renderer()

    def __call__(self, messages: Sequence[Message]) -> int:
        """Tokens of the rendered conversation. Raises: TemplateRejected, EngineError."""
        try:
            rendered = self._render(messages)
        except TemplateRejected:
            if messages[0].role != "system":
                raise
            rendered = self._render(fold_system(messages))  # some templates take no system message
        begins_itself = bool(self._bos_text) and rendered.startswith(self._bos_text)
        tokens = len(self._worker.tokenize(rendered, parse_special=True))
        return tokens if begins_itself else tokens + self._begin_tokens

    def text(self, text: str) -> int:
        """Tokens of a text without a template."""
        return len(self._worker.tokenize(text)) + self._begin_tokens

    def close(self) -> None:
        """End the process that renders."""
        self._renderer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _render(self, messages: Sequence[Message]) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        variables = {"messages": turns, "add_generation_prompt": False, "tools": None, **self._markers}
        return self._renderer.render(self._template, [variables])[0]

    def _fallback(self) -> str:
        return CHATML if len(self._worker.tokenize("<|im_start|>", parse_special=True)) == 1 else PLAIN
