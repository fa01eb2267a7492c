"""The review queue: decide what people's feedback and failures teach, and hand it to training."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from edgellm.decoding import convert
from edgellm.errors import InvalidInput, MissingExtra, ModelNotFound
from edgellm.hub.names import split_adapter
from edgellm.paths import Home, private_dir, write_private
from edgellm.sdk.lessons import Held, Lessons, lessons_from, prompt_of
from edgellm.store import Acceptance, ReviewContext, ReviewItem, ReviewReason, ReviewState, Store, Wanted
from edgellm.store.audit import LOCAL
from edgellm.types import Message

__all__ = [
    "LOCAL",
    "Clusters",
    "Held",
    "LessonFiles",
    "Lessons",
    "Masked",
    "ReviewContext",
    "ReviewItem",
    "ReviewReason",
    "ReviewState",
    "Reviews",
    "adapter_of",
    "prompt_of",
]

ALL = 1_000_000
MOST_CLUSTERED = 1000
"""Open items that are compared with each other, the latest ones: more would take seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """Open items of one tenant that ask much the same."""

    by: Literal["embedding", "words"]
    embedder: str
    """Name of the embedder; empty where there is none."""
    groups: tuple[tuple[ReviewItem, ...], ...]
    """Two items and more each, the largest group first; what nothing is like is in none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Masked:
    """An item without personal data."""

    item: ReviewItem
    found: Mapping[str, int]
    """What was masked, by kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonFiles:
    """Where lessons were written; None where there were none of a kind."""

    rows: Path | None
    """Examples, for a dataset."""
    pairs: Path | None
    """Pairs of answers, for training by preferences."""
    thumbs: Path | None
    """Answers that were judged alone, for the same."""


class Reviews:
    """The queue. Errors of every method: NotFound, InvalidInput, StoreError.

    `actor` goes into the audit log: the id of the key that decides, or LOCAL on this machine itself.
    """

    def __init__(self, store: Callable[[], Store], home: Home, embedder: str = "") -> None:
        """`embedder`: name of the default one; empty takes the one that comes with the extra `embed`."""
        self._store = store
        self._home = home
        self._embedder = embedder

    def list(
        self,
        state: str | None = ReviewState.OPEN,
        reason: str | None = None,
        tenant: str | None = None,
        limit: int = 50,
    ) -> builtins.list[ReviewItem]:
        """Items, the latest first, personal data included.

        Args:
            state: `open`, `accepted`, `rejected`, `merged`; None: all.
            reason: one of `ReviewReason`; None: all.
            tenant: whose answers; empty: this machine's own; None: everybody's.
        """
        return self._store().reviews.list(_wanted(state, reason, tenant), limit)

    def get(self, item_id: str) -> ReviewItem:
        """One item."""
        return self._store().reviews.get(item_id)

    def count(
        self, state: str | None = ReviewState.OPEN, tenant: str | None = None, since: float | None = None
    ) -> dict[ReviewReason, int]:
        """How many there are for each reason that occurs; `since` as in `lessons`."""
        return self._store().reviews.count(replace(_wanted(state, None, tenant), since=since))

    def accept(
        self,
        item_id: str,
        prompt: str | None = None,
        answer: str | None = None,
        *,
        tenant: str | None = None,
        seen: ReviewItem | None = None,
        actor: str = LOCAL,
    ) -> ReviewItem:
        """Let an open item teach.

        Args:
            prompt: in place of its last question; None: as it was asked.
            answer: what should have been answered; None: the correction, or the answer itself where it was good.
            tenant: who learns from it, where it is not the tenant whose answer it is: an administrator's decision.
            seen: the item as it was read, personal data included: what its people changed since is not accepted.

        Raises: InvalidInput where nobody said what should have been answered, or it was changed since it was seen.
        """
        acceptance = Acceptance(prompt=prompt, answer=answer, learner=tenant, seen=seen)
        return self._store().reviews.accept(item_id, acceptance, actor)

    def reject(self, item_id: str, *, actor: str = LOCAL) -> ReviewItem:
        """Let an open item teach nothing."""
        return self._store().reviews.reject(item_id, actor)

    def reopen(self, item_id: str, *, actor: str = LOCAL) -> ReviewItem:
        """Take a decision back, edits included."""
        return self._store().reviews.reopen(item_id, actor)

    def merge(self, ids: Sequence[str], into: str | None = None, *, actor: str = LOCAL) -> ReviewItem:
        """Let one open item stand for several of the same tenant; without `into`, the first of them."""
        if not ids:
            raise InvalidInput("There is nothing to merge: name at least two items.", field="ids")
        return self._store().reviews.merge(ids, ids[0] if into is None else into, actor)

    def clusters(self, tenant: str = "") -> Clusters:
        """Open items of a tenant that ask much the same, by their last questions.

        By the default embedder; where there is none, by the words. Raises: ModelRejected, WorkerDied.
        """
        asked = [item for item in self.list(tenant=tenant, limit=MOST_CLUSTERED) if item.question.strip()]
        name, groups = self._grouped([item.question for item in asked])
        found = [tuple(asked[at] for at in group) for group in groups if len(group) > 1]
        return Clusters(
            by="embedding" if name else "words", embedder=name, groups=tuple(sorted(found, key=len, reverse=True))
        )

    def masked(self, item: ReviewItem) -> Masked:
        """The item with masks in place of personal data. Raises: MissingExtra without the extra `train`."""
        tree = msgspec.to_builtins(item)
        texts = [text for name in _FOREIGN for text in _texts(tree[name])]
        masks, found = _masks(texts)
        for name in _FOREIGN:
            tree[name] = _with(tree[name], masks)
        return Masked(item=convert(tree, ReviewItem), found=found)

    def lessons(self, tenant: str | None = "", since: float | None = None) -> Lessons:
        """What a tenant learns from its accepted items, personal data masked; empty: this machine's own.

        `since`: only what was decided later (seconds since the epoch). Contradictions are held back, not learnt.
        Raises: MissingExtra without the extra `train`.
        """
        learner = tenant or ""
        accepted = self._store().reviews.list(Wanted(state=ReviewState.ACCEPTED, learner=learner), ALL)
        return lessons_from([self.masked(item).item for item in accepted], learner, since)

    def write(self, lessons: Lessons, folder: Path) -> LessonFiles:
        """Lessons as JSONL files that datasets and training by preferences read. Each is replaced whole."""
        private_dir(folder)
        rows = ({"messages": [_turn(each) for each in row.messages]} for row in lessons.rows)
        pairs = ({"chosen": each.answer, "rejected": each.rejected, **_prompt(each.prompt)} for each in lessons.pairs)
        thumbs = ({"completion": each.answer, "label": each.is_good, **_prompt(each.prompt)} for each in lessons.thumbs)
        return LessonFiles(
            rows=_written(folder / "rows.jsonl", rows),
            pairs=_written(folder / "pairs.jsonl", pairs),
            thumbs=_written(folder / "thumbs.jsonl", thumbs),
        )

    def _grouped(self, texts: builtins.list[str]) -> tuple[str, builtins.list[builtins.list[int]]]:
        """The embedder's name, empty where there is none, and groups of indices."""
        from edgellm.data.clusters import by_vectors, by_words
        from edgellm.retrieval.embed.open import DEFAULT, open_embedder

        if len(texts) < 2:
            return "", []
        try:
            with open_embedder(self._embedder or DEFAULT, kept=self._home.embedders) as embedder:
                return embedder.identity.name, by_vectors(embedder.embed_passages(texts))
        except (MissingExtra, ModelNotFound):
            return "", by_words(texts)


_FOREIGN = ("context", "correction", "edited_prompt", "edited_answer")
"""What of an item people and models wrote."""


def adapter_of(item: ReviewItem) -> str | None:
    """The adapter that the answer came from; None: none, or it is not known."""
    model = item.context.model or ""
    return split_adapter(model.split("+")[0])[1]


def _wanted(state: str | None, reason: str | None, tenant: str | None) -> Wanted:
    return Wanted(
        state=None if state is None else _one_of(ReviewState, state, "state"),
        reason=None if reason is None else _one_of(ReviewReason, reason, "reason"),
        tenant=tenant,
    )


def _one_of(kind: Any, value: str, field: str) -> Any:
    """Raises: InvalidInput."""
    known = [each.value for each in kind]
    if value not in known:
        raise InvalidInput(f"{value!r} is no {field} of an item.", hint=f"Known: {', '.join(known)}.", field=field)
    return kind(value)


def _texts(value: Any) -> Iterable[str]:
    """Every text in a tree of JSON values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _with(value: Any, masks: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return masks[value]
    if isinstance(value, dict):
        return {name: _with(each, masks) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with(each, masks) for each in value]
    return value


def _masks(texts: Sequence[str]) -> tuple[dict[str, str], dict[str, int]]:
    """Each text to its masked form; and how much of each kind was found. Raises: MissingExtra."""
    from edgellm.data.personal import PersonalData
    from edgellm.data.rows import Example, Source
    from edgellm.data.rules import Rules

    distinct = list(dict.fromkeys(texts))
    personal = PersonalData(Rules())
    treated = personal.treat(Example(Source("", 0), tuple(Message(role="user", content=each) for each in distinct)))
    assert isinstance(treated, Example)  # nothing is dropped by these rules
    masked = (message.content for message in treated.messages)
    return dict(zip(distinct, masked, strict=True)), {kind.value: number for kind, number in personal.found.items()}


def _turn(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _prompt(messages: Sequence[Message]) -> dict[str, object]:
    return {"prompt": [_turn(each) for each in messages]}


def _written(path: Path, rows: Iterable[Mapping[str, object]]) -> Path | None:
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    if not lines:
        path.unlink(missing_ok=True)
        return None
    write_private(path, "".join(lines).encode())
    return path
