"""What an answer rests on: passages in, and after the answer the evidence that held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgellm.data.draft_checks import content
from edgellm.retrieval.ground.citations import check
from edgellm.retrieval.ground.passages import Count, Passage, numbered, shortened
from edgellm.retrieval.ground.prompt import NOT_FOUND, grounded
from edgellm.retrieval.values import Hit
from edgellm.types import Evidence, Message

MOST_PASSAGES = 4
NEAR = 0.40
"""Cosine of question and passage from which a passage counts as evidence, whatever its words."""
WORDS_HELD = 0.75
"""Share of the question's content words that a passage with a lower cosine must hold.

Both are for all-MiniLM-L6-v2, by `python -m benchmarks.documents`: nothing is near for 1 of 308 headings, for 1 of 20
questions in other words, and for 35 of 40 questions about something else; with 0.35 and half of the words for 24 of 40.
"""

POLITE = content("hello hi hey please kindly thank thanks")
"""Asks for nothing: a question with such words is as near as the one without."""


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
    Of passages that are all too long, the best is cut to what is nearest to the question.
    """
    near = [hit for hit in hits if is_near(question, hit)][:MOST_PASSAGES]
    shown = numbered(near, budget, count) or [shortened(question, hit, budget, count) for hit in near[:1]]
    return Grounding(collection=collection, passages=tuple(shown), search_s=search_s)


def is_near(question: str, hit: Hit) -> bool:
    """Whether a hit may hold the answer: by meaning, or by the words of the question."""
    similarity, share = nearness(question, hit)
    return similarity >= NEAR or share >= WORDS_HELD


def nearness(question: str, hit: Hit) -> tuple[float, float]:
    """The hit's cosine with the question, and which share of the question's content words it holds, 0 to 1."""
    asked = content(question) - POLITE
    held = content(f"{' '.join(hit.headings)} {hit.text}")
    return hit.similarity or 0.0, len(asked & held) / len(asked) if asked else 0.0
