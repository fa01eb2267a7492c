"""The review queue in memory."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from edgellm.errors import EdgeLLMError
from edgellm.sdk.reviews import Clusters, Held, Lessons, Masked
from edgellm.store import Origin, ReviewContext, ReviewItem, ReviewReason, ReviewState
from edgellm.types import Message, Sampling

MAIL = "jo.field@example.com"
MASK = "[email]"


def review_item(name: str, question: str = "", reason: str = "correction", **known: object) -> ReviewItem:
    """An open item; `known` are fields of it, or of its context."""
    in_context = {field: known.pop(field) for field in ("other", "evidence", "error", "settings") if field in known}
    context = ReviewContext(
        messages=(Message(role="system", content="Be brief."), Message(role="user", content=question or f"{name}?")),
        answer=str(known.pop("answer", "The Rhine.")),
        model="starter@rivers",
        sampling=Sampling(temperature=0.5, seed=7),
        **in_context,  # type: ignore[arg-type]
    )
    made = ReviewItem(
        id=name,
        tenant="",
        learner="",
        reason=ReviewReason(reason),
        origin=Origin("message", name),
        context=context,
        correction="The Nile." if reason == "correction" else None,
        rating=1 if reason == "thumbs_up" else -1 if reason == "thumbs_down" else 0,
        created_at=1_795_000_000.0,
    )
    return replace(made, **known)  # type: ignore[arg-type]


class FakeReviews:
    """Items that a test put here; `done` is every decision, in order."""

    def __init__(self) -> None:
        self.items: dict[str, ReviewItem] = {}
        self.done: builtins.list[tuple[object, ...]] = []
        self.failure: EdgeLLMError | None = None
        """What ends a decision."""
        self.alike: tuple[str, ...] = ()
        """Ids of the only group of items that ask much the same."""
        self.embedder = "tiny"
        self.held: tuple[Held, ...] = ()

    def put(self, *items: ReviewItem) -> None:
        """Add open items."""
        self.items |= {item.id: item for item in items}

    async def list(
        self, state: str | None = "open", reason: str | None = None, tenant: str | None = None, limit: int = 50
    ) -> builtins.list[ReviewItem]:
        found = [item for item in self.items.values() if state in (None, item.state) and reason in (None, item.reason)]
        return [item for item in found if tenant in (None, item.tenant)][:limit]

    async def count(
        self, state: str | None = "open", tenant: str | None = None, since: float | None = None
    ) -> dict[ReviewReason, int]:
        assert since is None
        return dict(Counter(item.reason for item in await self.list(state, tenant=tenant, limit=1000)))

    async def masked(self, item: ReviewItem) -> Masked:
        def mask(text: str) -> str:
            return text.replace(MAIL, MASK)

        turns = tuple(replace(turn, content=mask(turn.content)) for turn in item.context.messages)
        found = sum(turn.content.count(MASK) for turn in turns)
        context = replace(item.context, messages=turns)
        return Masked(item=replace(item, context=context), found={"email": found} if found else {})

    async def accept(
        self, item_id: str, prompt: str | None = None, answer: str | None = None, *, seen: ReviewItem | None = None
    ) -> ReviewItem:
        assert seen in (None, self.items[item_id]), "what was shown, personal data included"
        return self._decided(item_id, ReviewState.ACCEPTED, "accept", prompt, answer)

    async def reject(self, item_id: str) -> ReviewItem:
        return self._decided(item_id, ReviewState.REJECTED, "reject")

    async def reopen(self, item_id: str) -> ReviewItem:
        return self._decided(item_id, ReviewState.OPEN, "reopen")

    async def merge(self, ids: Sequence[str], into: str | None = None) -> ReviewItem:
        for each in ids:
            if each != into:
                self._decided(each, ReviewState.MERGED, "merge", into)
        return self.items[into or ids[0]]

    async def clusters(self, tenant: str = "") -> Clusters:
        group = tuple(item for item in await self.list(tenant=tenant) if item.id in self.alike)
        by = "embedding" if self.embedder else "words"
        return Clusters(by=by, embedder=self.embedder, groups=(group,) if group else ())  # type: ignore[arg-type]

    async def lessons(self, tenant: str | None = "") -> Lessons:
        return Lessons(tenant=tenant or "", held=self.held)

    def _decided(self, item_id: str, state: ReviewState, *what: object) -> ReviewItem:
        if self.failure is not None:
            raise self.failure
        self.done.append((item_id, *what))
        at = None if state is ReviewState.OPEN else 1_795_000_000.0 + len(self.done)
        self.items[item_id] = replace(self.items[item_id], state=state, decided_at=at)
        return self.items[item_id]
