"""The questions of two periods, masked, compared by an embedder or by words: topics, and drift from what is known."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from edgellm.errors import EdgeLLMError, InvalidInput, MissingExtra, ModelError, ModelNotFound
from edgellm.paths import Home
from edgellm.sdk.documents import Documents
from edgellm.sdk.monitor_training import adapter_in_use, collection_of, prompts_of
from edgellm.store.asked import Question, Questions

if TYPE_CHECKING:
    from edgellm.monitor.comparing import Asked, Topics
    from edgellm.monitor.values import By, Drift, Far, Looked, Moved
    from edgellm.retrieval.embed.open import Embedder

LOOKED_AT = 1000
"""Questions of each period, and prompts of training data, that are compared."""
SEARCHED = 300
"""Questions of each period that are looked up in a collection."""
MOST_COLLECTIONS = 3
Progress = Callable[[str, int, int], None]


def silent(_doing: str, _done: int, _total: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What questions are compared with."""

    home: Home
    embedder: str
    """As the settings name it; empty takes the default one."""
    model: str | None
    """The model that is asked when none is named."""
    documents: Callable[[str], Documents]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    kind: Literal["training", "documents"]
    reference: str
    by: By
    texts: int
    questions: int
    previous: int
    moved: Moved | None
    farthest: tuple[Far, ...]


class Look:
    """One look at the questions; a context manager, because an embedder may be open meanwhile."""

    def __init__(self, means: Means, now: Questions, before: Questions, seed: int, on_progress: Progress) -> None:
        from edgellm.monitor.comparing import stacked
        from edgellm.sdk.monitor_masks import NO_PHONES, masks

        self.notes: list[str] = []
        self._means, self._seed, self._tell = means, seed, on_progress
        self._questions = now
        mask, has_phones = masks()
        if not has_phones:
            self.notes.append(NO_PHONES)
        self._now = _masked(now.drawn, mask, on_progress)
        self._before = _masked(before.drawn, mask, on_progress)
        self._open = ExitStack()
        self._embedder: Embedder | None = None
        self._why = ""
        self._vectors, self._vectors_before = stacked(()), stacked(())

    def __enter__(self) -> Self:
        self._embedder = self._opened() if self._now else None
        try:
            self._compare()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def looked(self) -> Looked:
        """Which questions this is about."""
        from edgellm.monitor.values import Looked

        return Looked(
            questions=self._questions.asked,
            without_text=self._questions.without_text,
            looked_at=len(self._now),
            seed=self._seed,
            by=self._by,
            model="" if self._embedder is None else self._embedder.identity.name,
            why=self._why,
        )

    def topics(self) -> Topics:
        """What was asked about."""
        from edgellm.monitor.comparing import topics_of

        self._tell("Finding topics", 0, 0)
        return topics_of(self._now, self._vectors, self._vectors_before, self._by)

    def drift(self) -> tuple[Drift, ...]:
        """How far the questions are from training data and documents, and whether that changed."""
        from edgellm.monitor.drift import words_for
        from edgellm.monitor.values import Drift

        found = [*self._from_training(), *self._from_documents()] if self._now else []
        words = words_for([each.moved for each in found])
        return tuple(
            Drift(
                kind=each.kind,
                reference=each.reference,
                by=each.by,
                texts=each.texts,
                questions=each.questions,
                previous=each.previous,
                moved=each.moved,
                p_corrected=p,
                word=word,
                farthest=each.farthest,
            )
            for each, (p, word) in zip(found, words, strict=True)
        )

    @property
    def _by(self) -> By:
        return "words" if self._embedder is None else "embedding"

    def _opened(self) -> Embedder | None:
        """The embedder that the settings name, or the default one; None where there is none."""
        from edgellm.retrieval.embed.open import DEFAULT, open_embedder

        self._tell("Opening the embedder", 0, 0)
        try:
            embedder = open_embedder(self._means.embedder or DEFAULT, kept=self._means.home.embedders)
        except (MissingExtra, ModelNotFound, ModelError, InvalidInput) as error:
            self._why = error.message
            return None
        self._open.callback(embedder.close)
        return embedder

    def _compare(self) -> None:
        from edgellm.monitor.comparing import by_words

        now, before = [each.text for each in self._now], [each.text for each in self._before]
        if self._embedder is None:
            self._vectors, self._vectors_before = by_words(now, before)
            return
        both = self._embedded([*now, *before], "Comparing questions")
        self._vectors, self._vectors_before = both[: len(now)], both[len(now) :]

    def _embedded(self, texts: Sequence[str], doing: str) -> Any:
        """One vector a text; the same text is embedded once."""
        from edgellm.monitor.comparing import stacked

        assert self._embedder is not None  # asked for only then
        known: dict[str, Any] = {}
        for number, text in enumerate(texts):
            self._tell(doing, number, len(texts))
            if text not in known:
                known[text] = self._embedder.embed_query(text)
        self._tell(doing, len(texts), len(texts))
        return stacked([known[text] for text in texts])

    def _from_training(self) -> Iterator[_Measured]:
        """Distances from the prompts that the adapter in use was trained on."""
        from edgellm.monitor.comparing import by_words, distances_from, farthest
        from edgellm.monitor.drift import moved

        model = adapter_in_use([each.model for each in self._now], self._means.model)
        if model is None:
            self.notes.append("Drift from training data: no adapter answered in this time.")
            return
        prompts = prompts_of(self._means.home, model, LOOKED_AT, self._seed)
        if isinstance(prompts, str):
            self.notes.append(f"Drift from training data of {model}: not measured; {prompts.rstrip('.')}.")
            return
        if self._embedder is None:
            texts = [[each.text for each in some] for some in (self._now, self._before)]
            now, before, known = by_words(*texts, prompts)
        else:
            now, before = self._vectors, self._vectors_before
            known = self._embedded(prompts, "Reading what the model was taught")
        ours, theirs = distances_from(self._now, now, known), distances_from(self._before, before, known)
        yield _Measured(
            kind="training",
            reference=model,
            by=self._by,
            texts=len(prompts),
            questions=len(self._now),
            previous=len(self._before),
            moved=moved(ours, theirs, self._seed),
            farthest=farthest(self._now, ours.values),
        )

    def _from_documents(self) -> Iterator[_Measured]:
        """Distances from the passages of the collections that were asked."""
        asked = Counter(name for each in self._now if (name := collection_of(each.model)))
        if not asked:
            self.notes.append("Drift from documents: none were asked in this time.")
        for name, _ in asked.most_common(MOST_COLLECTIONS):
            now, before = (self._some(name, some) for some in (self._now, self._before))
            try:
                yield self._measured_in(name, now, before)
            except EdgeLLMError as error:
                self.notes.append(f"Drift from the documents {name!r}: not measured; {error.message}")
        if len(asked) > MOST_COLLECTIONS:
            left = len(asked) - MOST_COLLECTIONS
            self.notes.append(f"Drift from documents: {left} collections that were asked less are left out.")

    def _some(self, collection: str, asked: Sequence[Asked]) -> list[Asked]:
        found = [each for each in asked if collection_of(each.model) == collection]
        return random.Random(self._seed).sample(found, SEARCHED) if len(found) > SEARCHED else found

    def _measured_in(self, name: str, now: Sequence[Asked], before: Sequence[Asked]) -> _Measured:
        from edgellm.monitor.comparing import distances, farthest
        from edgellm.monitor.drift import moved

        documents = self._means.documents(name)
        ours, theirs = self._looked_up(documents, now), self._looked_up(documents, before)
        return _Measured(
            kind="documents",
            reference=name,
            by="embedding",
            texts=0,
            questions=len(now),
            previous=len(before),
            moved=moved(distances(now, ours), distances(before, theirs), self._seed),
            farthest=farthest(now, ours),
        )

    def _looked_up(self, documents: Documents, asked: Sequence[Asked]) -> list[float]:
        """How far the nearest passage is from each question; 2 where the collection is empty."""
        found = []
        for number, each in enumerate(asked):
            self._tell(f"Looking into {documents.name}", number, len(asked))
            hits = documents.search(each.text, limit=1, mode="vector")
            found.append(1 - (hits[0].similarity or 0.0) if hits else 2.0)
        return found


def _masked(questions: Sequence[Question], mask: Callable[[str], str], tell: Progress) -> list[Asked]:
    from edgellm.monitor.comparing import Asked

    found = []
    for number, each in enumerate(questions):
        tell("Masking personal data", number, len(questions))
        found.append(
            Asked(
                text=mask(each.text),
                conversation=each.conversation,
                model=each.model,
                at=each.at,
                is_weak=each.is_weak,
                is_disliked=each.rating < 0,
            )
        )
    return found
