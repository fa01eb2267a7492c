"""What an answer rests on: passages in, and after the answer the evidence that held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgellm.data.draft_checks import content
from edgellm.retrieval.ground.citations import check
from edgellm.retrieval.ground.passages import Count, Passage, numbered
from edgellm.retrieval.ground.prompt import NOT_FOUND, grounded
from edgellm.retrieval.values import Hit
from edgellm.types import Evidence, Message

MOST_PASSAGES = 4
NEAR = 0.35
"""Cosine of question and passage from which a passage counts as evidence, whatever its words."""
WORDS_HELD = 0.5
"""Share of the question's content words that a passage with a lower cosine must hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounding:
    """The passages that one question is answered from."""

    collection: str
    passages: tuple[Passage, ...]
    """None of them: nothing came near the question."""
    search_s: float

    @property
    def is_weak(self) -> bool:
        """Whether there is nothing to answer from."""
        return not self.passages

    @property
    def refusal(self) -> str:
        """The whole answer when there is nothing to answer from."""
        return NOT_FOUND

    def messages(self, question: str, earlier: Sequence[Message] = ()) -> list[Message]:
        """What the model is asked."""
        return grounded(question, self.passages, earlier)

    def checked(self, answer: str) -> tuple[str, Evidence]:
        """The answer with the citations that hold, and what it rests on."""
        if self.is_weak:
            return answer, Evidence(collection=self.collection, is_weak=True, search_s=self.search_s)
        found = check(answer, self.passages)
        return found.text, Evidence(
            collection=self.collection,
            citations=found.citations,
            removed=found.removed,
            unsupported=found.unsupported,
            passages=len(self.passages),
            search_s=self.search_s,
        )


def ground(
    question: str, hits: Sequence[Hit], *, collection: str, budget: int, count: Count, search_s: float
) -> Grounding:
    """Choose what the model is shown: the best hits that come near the question, within `budget` tokens.

    None when none does. What does not come near is left out even where there is room: it is what small models copy.
    """
    near = [hit for hit in hits if is_near(question, hit)][:MOST_PASSAGES]
    shown = numbered(near, budget, count)
    return Grounding(collection=collection, passages=tuple(shown), search_s=search_s)


def is_near(question: str, hit: Hit) -> bool:
    """Whether a hit may hold the answer: by meaning, or by the words of the question."""
    if hit.similarity is not None and hit.similarity >= NEAR:
        return True
    asked = content(question)
    held = content(f"{' '.join(hit.headings)} {hit.text}")
    return bool(asked) and len(asked & held) >= WORDS_HELD * len(asked)
