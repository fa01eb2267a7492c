"""Questions brought together by likeness: their topics, and how far they are from what is known; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgellm.monitor.clusters import NEAR_BY_MEANING, NEAR_BY_WORDS, cluster, place
from edgellm.monitor.drift import Distances, nearest
from edgellm.monitor.values import By, Far, Topic
from edgellm.monitor.words import labels, word_vectors

EXAMPLES = 3
FARTHEST = 10
LONGEST_SHOWN = 300
"""Characters of a question that are shown."""
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question, masked, with what came of it."""

    text: str
    conversation: str
    model: str
    at: float
    is_weak: bool = False
    is_disliked: bool = False


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of a period."""

    topics: tuple[Topic, ...]
    alone: int


def stacked(vectors: Sequence[Any]) -> Vectors:
    """One row a text."""
    return np.stack(vectors).astype(np.float32) if vectors else np.zeros((0, 1), np.float32)


def by_words(*texts: Sequence[str]) -> list[Vectors]:
    """Vectors of several lists of texts in one space, by their words."""
    together = word_vectors([text for some in texts for text in some])
    ends = np.cumsum([len(some) for some in texts])
    return [together[end - len(some) : end] for end, some in zip(ends, texts, strict=True)]


def topics_of(asked: Sequence[Asked], vectors: Vectors, before: Vectors, by: By) -> Topics:
    """What was asked about; `before` are the vectors of the period before, in the same space."""
    near = NEAR_BY_MEANING if by == "embedding" else NEAR_BY_WORDS
    found = cluster(vectors, near)
    names = labels([each.text for each in asked], found.topics)
    earlier = Counter(place(before, found.middles, near)) if len(before) else None
    topics = [
        Topic(
            label=names[at],
            questions=len(members),
            share=len(members) / len(asked),
            previous=None if earlier is None else earlier[at] / len(before),
            weak=sum(asked[each].is_weak for each in members),
            disliked=sum(asked[each].is_disliked for each in members),
            examples=_examples([asked[each].text for each in members]),
        )
        for at, members in enumerate(found.topics)
    ]
    return Topics(tuple(topics), len(found.alone))


def distances(asked: Sequence[Asked], values: Sequence[float]) -> Distances:
    """The distances of questions with their conversations."""
    return Distances(values, [each.conversation for each in asked])


def distances_from(asked: Sequence[Asked], vectors: Vectors, reference: Vectors) -> Distances:
    """The distance of each question from the nearest text of a reference."""
    return distances(asked, nearest(vectors, reference))


def farthest(asked: Sequence[Asked], values: Sequence[float]) -> tuple[Far, ...]:
    """The questions that are farthest away, each text once."""
    order = sorted(range(len(asked)), key=lambda at: (-values[at], at))
    once = {shown(asked[at].text): at for at in reversed(order)}
    found = sorted(once.items(), key=lambda item: (-values[item[1]], item[1]))[:FARTHEST]
    return tuple(
        Far(question=text, distance=float(values[at]), at=asked[at].at, model=asked[at].model) for text, at in found
    )


def shown(text: str) -> str:
    """A question on one line, cut."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_SHOWN else f"{line[: LONGEST_SHOWN - 1]}…"


def _examples(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(shown, texts)))[:EXAMPLES]
