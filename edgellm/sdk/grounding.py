"""A question with the passages that it is to be answered from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from edgellm.engine.supervisor import Worker
from edgellm.retrieval.ground.evidence import Grounding, ground
from edgellm.sdk.conversation import Ask
from edgellm.sdk.documents import Documents
from edgellm.types import Message

DOCUMENT_TOKENS = 800
"""Room for passages, in the tokens of the model that reads them: about a page, four passages."""


def grounded_ask(ask: Ask, documents: Documents, worker: Worker) -> Ask:
    """The request with passages before its question. Waits for the model to open: its tokens are what is counted.

    A question that finds nothing alone ("and on Sundays?") is looked up together with the one before it.
    """
    *earlier, last = ask.messages
    budget = min(DOCUMENT_TOKENS, worker.info.context_tokens // 2)
    began = time.monotonic()  # the model is open by now: its loading is no part of the search

    def found(question: str) -> Grounding:
        hits = documents.search(question)
        return ground(
            question,
            hits,
            collection=documents.name,
            budget=budget,
            count=lambda text: len(worker.tokenize(text)),
            search_s=time.monotonic() - began,
        )

    grounding = found(last.content)
    before = _question_before(earlier)
    if grounding.is_weak and before:
        grounding = found(f"{before} {last.content}")
    messages = ask.messages if grounding.is_weak else tuple(grounding.messages(last.content, earlier))
    return replace(ask, messages=messages, grounding=grounding)


def _question_before(earlier: Sequence[Message]) -> str:
    return next((message.content for message in reversed(earlier) if message.role == "user"), "")
