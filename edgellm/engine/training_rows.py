"""Conversations as rows of tokens to learn from: what the engine reads, and what it should have answered.

A row is the prompt that the engine would be given for an answer, the answer's own tokens, and the token that ends the
turn. So the ids that are trained on are those that are served, by the file's own tokenizer and template. Every
assistant turn is learnt; turns whose rows begin with an earlier row's tokens share one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgellm.engine.wire import TrainingRow
from edgellm.errors import InvalidInput
from edgellm.types import Message

if TYPE_CHECKING:
    from edgellm.engine.chat import ChatFormat


def training_rows(chat: ChatFormat, messages: Sequence[Message]) -> list[TrainingRow]:
    """The rows of one conversation, each (tokens, supervised stretches).

    Raises: InvalidInput without an assistant turn to learn, TemplateRejected, ContextOverflow.
    """
    answers = [at for at, message in enumerate(messages) if message.role == "assistant" and at > 0]
    if not answers:
        raise InvalidInput("The conversation has no assistant turn to learn.", field="messages")
    rows: list[TrainingRow] = []
    for at in answers:
        row = _row(chat, messages, at)
        if rows and row.tokens[: len(rows[-1].tokens)] == rows[-1].tokens:
            row = TrainingRow(row.tokens, (*rows.pop().supervised, *row.supervised))
        rows.append(row)
    return rows


def _row(chat: ChatFormat, messages: Sequence[Message], at: int) -> TrainingRow:
    prompt = chat.prompt(messages[:at], max_tokens=1, keep="all", may_think=False).tokens
    answer = (*chat.answer_tokens(messages[at].content), chat.end_after(messages[: at + 1]))
    return TrainingRow((*prompt, *answer), ((len(prompt), len(prompt) + len(answer)),))
