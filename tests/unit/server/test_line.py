"""The waiting line: bounded, fair between tenants, and nobody's turn is lost."""

from __future__ import annotations

import asyncio
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgellm.errors import DeadlineExceeded, QueueFull
from edgellm.server.errors import headers_of
from edgellm.server.line import LONGEST_WAIT_S, SHORTEST_WAIT_S, Line


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Guests:
    """Requests in a line: each holds its turn until it is told to go."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.inside: list[str] = []
        self.served: list[str] = []
        self._doors: dict[str, asyncio.Event] = {}

    async def arrive(self, tenant: str, deadline_s: float | None = None) -> str:
        name = f"{tenant}{len(self.tasks)}"
        self._doors[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._stay(name, tenant, deadline_s))
        await settle()
        return name

    async def leave(self, name: str) -> None:
        self._doors[name].set()
        await settle()

    async def cancel(self, name: str) -> None:
        self.tasks[name].cancel()
        await settle()

    async def everybody_leaves(self) -> None:
        while self.inside:
            await self.leave(self.inside[0])

    async def _stay(self, name: str, tenant: str, deadline_s: float | None) -> None:
        async with self.line.turn(tenant, deadline_s):
            self.inside.append(name)
            self.served.append(name)
            try:
                await self._doors[name].wait()
            finally:
                self.inside.remove(name)


async def settle() -> None:
    """Until every task that can run has run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def refused(guests: Guests, name: str) -> QueueFull:
    with pytest.raises(QueueFull) as caught:
        await guests.tasks[name]
    return caught.value


async def test_turns_go_round_between_tenants_and_in_order_within_one() -> None:
    guests = Guests(Line(running=1, waiting=16))
    for tenant in "aaaaabbc":
        await guests.arrive(tenant)
    assert guests.inside == ["a0"]
    await guests.everybody_leaves()
    assert guests.served == ["a0", "a1", "b5", "c7", "a2", "b6", "a3", "a4"]


async def test_without_anyone_waiting_a_turn_is_taken_at_once() -> None:
    line = Line(running=2, waiting=0)
    async with line.turn("a"), line.turn("a"):
        assert (line.running, line.waiting) == (2, 0)
        with pytest.raises(QueueFull):
            async with line.turn("b"):
                pass
    assert line.running == 0


async def test_a_full_line_refuses_at_once_and_says_when_to_come_again() -> None:
    clock = Clock()
    guests = Guests(Line(running=1, waiting=2, clock=clock))
    first = await guests.arrive("a")
    clock.now += 30.0
    await guests.leave(first)
    for _ in range(3):
        await guests.arrive("a")
    error = await refused(guests, await guests.arrive("a"))
    assert error.facts["limit"] == 2
    wait_s = error.facts["retry_after_s"]
    assert isinstance(wait_s, float)
    assert 3 * SHORTEST_WAIT_S < wait_s <= LONGEST_WAIT_S
    assert headers_of(error, 503)["retry-after"] == str(math.ceil(wait_s))
    assert f"{math.ceil(wait_s)} s" in error.hint  # as the header says: who comes sooner is turned away again
    await guests.everybody_leaves()


async def test_two_hundred_at_once_into_sixteen_places() -> None:
    guests = Guests(Line(running=2, waiting=16))
    names = [await guests.arrive("a") for _ in range(200)]
    await guests.everybody_leaves()
    outcomes = await asyncio.gather(*(guests.tasks[name] for name in names), return_exceptions=True)
    assert Counter(map(type, outcomes)) == {type(None): 18, QueueFull: 182}
    assert guests.served == names[:18]


async def test_a_tenant_alone_may_fill_the_line_and_makes_room_for_another() -> None:
    guests = Guests(Line(running=1, waiting=4))
    crowd = [await guests.arrive("a") for _ in range(5)]
    assert guests.line.waiting_of("a") == 4
    newcomers = [await guests.arrive("b") for _ in range(3)]
    assert guests.line.waiting_of("a") == guests.line.waiting_of("b") == 2
    for pushed_out in crowd[-2:]:  # the youngest of the widest
        assert (await refused(guests, pushed_out)).facts["limit"] == 2
    assert (await refused(guests, newcomers[2])).facts["limit"] == 2  # its own half
    assert (await refused(guests, await guests.arrive("a"))).facts["limit"] == 2
    assert (await refused(guests, await guests.arrive("c"))).facts["limit"] == 4  # nobody has more than half
    await guests.everybody_leaves()
    assert guests.served == [crowd[0], crowd[1], newcomers[0], crowd[2], newcomers[1]]


async def test_newcomers_of_one_moment_take_a_place_each() -> None:
    guests = Guests(Line(running=1, waiting=6))
    crowd = [await guests.arrive("a") for _ in range(7)]
    newcomers = await asyncio.gather(*(guests.arrive("b") for _ in range(3)))
    assert [guests.tasks[name].done() for name in crowd] == [False] * 4 + [True] * 3
    assert (guests.line.waiting_of("a"), guests.line.waiting_of("b")) == (3, 3)
    await guests.everybody_leaves()
    assert set(guests.served) == {*crowd[:4], *newcomers}
    await asyncio.gather(*guests.tasks.values(), return_exceptions=True)


async def test_a_cancelled_request_frees_its_place_and_its_turn() -> None:
    guests = Guests(Line(running=1, waiting=2))
    first, second, third = [await guests.arrive("a") for _ in range(3)]
    await guests.cancel(second)
    assert guests.line.waiting == 1
    fourth = await guests.arrive("a")
    await guests.cancel(first)  # while it held the turn
    assert guests.inside == [third]
    await guests.leave(third)
    await guests.leave(fourth)
    assert guests.served == [first, third, fourth]
    assert (guests.line.running, guests.line.waiting) == (0, 0)


async def test_a_turn_given_to_one_who_gives_up_in_that_moment_goes_on() -> None:
    guests = Guests(Line(running=1, waiting=4))
    first, second, third = [await guests.arrive("a") for _ in range(3)]
    guests._doors[first].set()
    await asyncio.sleep(0)  # the turn is handed to the second, which has not run yet
    guests.tasks[second].cancel()
    await settle()
    assert guests.inside == [third]
    await guests.everybody_leaves()
    assert guests.line.running == 0


async def test_all_waiting_are_cancelled_at_once() -> None:
    guests = Guests(Line(running=1, waiting=8))
    names = [await guests.arrive(tenant) for tenant in "aabbc"]
    for name in names:
        guests.tasks[name].cancel()
    await asyncio.gather(*guests.tasks.values(), return_exceptions=True)
    assert (guests.line.running, guests.line.waiting) == (0, 0)
    async with guests.line.turn("d"):
        assert guests.line.running == 1


async def test_who_waits_too_long_is_told_and_frees_the_place() -> None:
    guests = Guests(Line(running=1, waiting=4))
    first = await guests.arrive("a")
    late = await guests.arrive("a", deadline_s=0.01)
    patient = await guests.arrive("a", deadline_s=60)
    with pytest.raises(DeadlineExceeded, match=r"0\.01 s") as caught:
        await guests.tasks[late]
    assert caught.value.facts == {"deadline_s": 0.01}
    assert guests.line.waiting == 1
    await guests.leave(first)
    assert guests.inside == [patient]
    await guests.leave(patient)


async def test_an_error_while_holding_a_turn_hands_it_on() -> None:
    line = Line(running=1, waiting=1)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            async with line.turn("a"):
                raise RuntimeError
    assert line.running == 0


STEPS = st.lists(
    st.tuples(st.sampled_from(["arrive", "leave", "cancel", "hurry"]), st.integers(0, 30), st.sampled_from("abc")),
    max_size=60,
)


@settings(max_examples=150)
@given(STEPS, st.integers(1, 3), st.integers(0, 6))
def test_whatever_happens_no_turn_is_lost_and_nobody_starves(
    steps: list[tuple[str, int, str]], running: int, waiting: int
) -> None:
    asyncio.run(_play(steps, running, waiting))


async def _play(steps: list[tuple[str, int, str]], running: int, waiting: int) -> None:
    line = Line(running=running, waiting=waiting)
    guests = Guests(line)
    for kind, number, tenant in steps:
        open_tasks = [name for name, task in guests.tasks.items() if not task.done()]
        if kind == "arrive":
            await guests.arrive(tenant)
        elif kind == "leave" and guests.inside:
            await guests.leave(guests.inside[number % len(guests.inside)])
        elif kind == "cancel" and open_tasks:
            await guests.cancel(open_tasks[number % len(open_tasks)])
        elif kind == "hurry" and open_tasks:  # several things at once, before anybody could run
            guests.tasks[open_tasks[number % len(open_tasks)]].cancel()
            for name in guests.inside:
                guests._doors[name].set()
            await settle()
        held = len(guests.inside)
        assert held == line.running <= running
        assert line.waiting <= waiting
        assert line.waiting == 0 or held == running  # no turn lies idle while somebody waits
        assert line.waiting == sum(not task.done() for task in guests.tasks.values()) - held
    still_waiting = {name for name, task in guests.tasks.items() if not task.done()}
    await guests.everybody_leaves()
    assert still_waiting <= set(guests.served)  # everybody's turn came
    assert (line.running, line.waiting) == (0, 0)
    await asyncio.gather(*guests.tasks.values(), return_exceptions=True)


@settings(max_examples=100)
@given(st.lists(st.sampled_from("aaab"), min_size=1, max_size=40))
def test_one_who_waits_is_passed_by_each_other_tenant_once_a_round(arrivals: list[str]) -> None:
    asyncio.run(_fairness(arrivals))


async def _fairness(arrivals: list[str]) -> None:
    guests = Guests(Line(running=1, waiting=100))
    await guests.arrive("c")
    names = [await guests.arrive(tenant) for tenant in arrivals]
    await guests.everybody_leaves()
    order = guests.served[1:]
    for tenant in "ab":
        own = [name for name in names if name.startswith(tenant)]
        assert [name for name in order if name.startswith(tenant)] == own
        for place, name in enumerate(own):
            others = [other for other in order[: order.index(name)] if not other.startswith(tenant)]
            assert len(others) <= place + 1
