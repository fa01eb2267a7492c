"""A blocking iterator that is awaited."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any, cast

import pytest
from edgellm_tui.following import awaited
from edgellm_tui.late import LateEdge
from edgellm_tui.ports import Edge

from edgellm.errors import JobError
from edgellm.events import Finished, JobEvent, Started


async def test_items_come_in_order_and_end_with_the_iterator() -> None:
    async with aclosing(awaited(lambda: iter(range(3)))) as items:
        assert [item async for item in items] == [0, 1, 2]


async def test_what_the_iterator_raises_is_raised_after_its_items() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise JobError("The log cannot be read.")

    async with aclosing(awaited(failing)) as items:
        assert await anext(items) == 1
        with pytest.raises(JobError, match="The log"):
            await anext(items)


async def test_the_thread_ends_at_the_first_item_that_nobody_awaits() -> None:
    go_on, ended = threading.Event(), threading.Event()

    def slow() -> Iterator[int]:
        try:
            yield 1
            go_on.wait(10)
            yield 2
            raise AssertionError("more than two were taken")
        finally:
            ended.set()

    async with aclosing(awaited(slow)) as items:
        assert await anext(items) == 1
    go_on.set()
    assert await asyncio.to_thread(ended.wait, 10)


async def test_events_of_a_job_are_followed_behind_the_door() -> None:
    events: list[JobEvent] = [Started(title="Teaching"), Finished()]
    jobs = SimpleNamespace(blocking=SimpleNamespace(follow=lambda job_id: iter(events) if job_id == "j1" else iter(())))
    edge = LateEdge(lambda: cast(Edge, cast(Any, SimpleNamespace(jobs=jobs))))
    async with aclosing(edge.jobs.follow("j1")) as found:
        assert [event async for event in found] == events
