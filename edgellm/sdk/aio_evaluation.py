"""Evaluations, blind comparisons and the gate, awaitable."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgellm.sdk.background import Awaitables, awaitable
from edgellm.sdk.evaluation import Evals
from edgellm.sdk.promotion import Promotion

if TYPE_CHECKING:
    from edgellm.evals.blind import Choice, Shown
    from edgellm.evals.preference import Preferred
    from edgellm.evals.votes import Vote
    from edgellm.sdk.blind import Blind


class AsyncBlind(Awaitables["Blind"]):
    """`Blind`, awaitable; written out, for its own module loads numpy."""

    blocking: Blind

    async def next(self) -> Shown | None:
        """As `Blind.next`."""
        return await asyncio.to_thread(self.blocking.next)

    async def vote(self, pair_id: str, choice: Choice, notes: Mapping[str, str] | None = None) -> Vote:
        """As `Blind.vote`."""
        return await asyncio.to_thread(self.blocking.vote, pair_id, choice, notes)

    async def undo(self) -> str | None:
        """As `Blind.undo`."""
        return await asyncio.to_thread(self.blocking.undo)

    async def result(self) -> Preferred:
        """As `Blind.result`."""
        return await asyncio.to_thread(self.blocking.result)


class AsyncEvals(Awaitables[Evals]):
    """`Evals`, awaitable. Callbacks run in the thread that does the work."""

    suites = awaitable(Evals.suites)
    run = awaitable(Evals.run)
    list = awaitable(Evals.list)
    get = awaitable(Evals.get)
    results = awaitable(Evals.results)
    report = awaitable(Evals.report)
    votes = awaitable(Evals.votes)
    people = awaitable(Evals.people)
    export = awaitable(Evals.export)
    harness = awaitable(Evals.harness)
    named = awaitable(Evals.named)
    weights = awaitable(Evals.weights)

    async def blind(
        self, run_id: str, subject: str | None = None, baseline: str | None = None, *, judge: str | None = None
    ) -> AsyncBlind:
        """As `Evals.blind`."""
        return AsyncBlind(await asyncio.to_thread(self.blocking.blind, run_id, subject, baseline, judge=judge))


class AsyncPromotion(Awaitables[Promotion]):
    """`Promotion`, awaitable."""

    begin = awaitable(Promotion.begin)
    verdict = awaitable(Promotion.verdict)
    promote = awaitable(Promotion.promote)
    back = awaitable(Promotion.back)
    rollback = awaitable(Promotion.rollback)
    current = awaitable(Promotion.current)
