"""A question gets the passages of a collection, and the time that finding them took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from edgellm.retrieval.values import Hit
from edgellm.sdk.conversation import Ask
from edgellm.sdk.grounding import grounded_ask
from edgellm.types import Message, Sampling

FARES = "A single ticket costs nine crowns."


class SlowWorker:
    """A model that takes a while to open; a word is a token."""

    @property
    def info(self) -> Any:
        time.sleep(0.3)
        return SimpleNamespace(context_tokens=1024)

    def tokenize(self, text: str) -> list[str]:
        return text.split()


class Documents:
    """Finds the fares."""

    name = "ferry"

    def search(self, _question: str) -> Sequence[Hit]:
        return [
            Hit(
                chunk_id=1, file="fares.txt", page=None, headings=(), text=FARES, start=0, end=len(FARES), score=1.0,
                similarity=0.9,
            )
        ]  # fmt: skip


class SmallWorker(SlowWorker):
    """A model that reads little."""

    @property
    def info(self) -> Any:
        return SimpleNamespace(context_tokens=24)


def test_a_small_context_still_gets_evidence() -> None:
    ask = Ask((Message(role="user", content="What does a ticket cost?"),), Sampling())
    found = grounded_ask(ask, cast(Any, Documents()), cast(Any, SmallWorker()))
    assert found.grounding is not None
    assert not found.grounding.is_weak
    assert "costs" in found.messages[-1].content


def test_the_time_of_a_search_is_not_that_of_opening_the_model() -> None:
    ask = Ask((Message(role="user", content="What does a ticket cost?"),), Sampling())
    found = grounded_ask(ask, cast(Any, Documents()), cast(Any, SlowWorker()))
    assert found.grounding is not None
    assert found.grounding.search_s < 0.3
    assert FARES in found.messages[-1].content
