"""Who is next: resumed ones, then tenants in turn, adapters in use preferred within bounds."""

from __future__ import annotations

from edgellm.engine.plan import CacheKey
from edgellm.engine.request import Request
from edgellm.engine.sequence import Sequence
from edgellm.engine.waiting import ADAPTER_PATIENCE, WaitingLine
from edgellm.types import Sampling


def waiting(order: int, tenant: str = "", adapter: str | None = None) -> Sequence:
    request = Request(id=order, prompt=(1,), sampling=Sampling(), tenant=tenant, adapter=adapter)
    return Sequence(request=request, order=(order, 0), limit_tokens=1, key=CacheKey(tenant, adapter, None))


def line_of(*sequences: Sequence) -> WaitingLine:
    line = WaitingLine()
    for sequence in sequences:
        line.add(sequence)
    return line


def orders(line: WaitingLine, adapters: set[str | None] | None = None) -> list[int]:
    return [sequence.order[0] for sequence in line.candidates(adapters or set())]


def test_one_tenant_is_first_in_first_out() -> None:
    assert orders(line_of(waiting(0), waiting(1), waiting(2))) == [0, 1, 2]


def test_tenants_take_turns() -> None:
    sequences = [waiting(0, "a"), waiting(1, "a"), waiting(2, "a"), waiting(3, "b"), waiting(4, "c")]
    line = line_of(*sequences)
    assert orders(line) == [0, 3, 4, 1, 2]
    line.admit(sequences[0])
    assert orders(line) == [3, 4, 1, 2]
    line.admit(sequences[3])
    assert orders(line) == [4, 1, 2]


def test_a_flood_of_one_tenant_delays_another_by_one_place() -> None:
    flood = [waiting(i, "flood") for i in range(50)]
    line = line_of(*flood, waiting(50, "quiet"))
    line.admit(flood[0])
    assert orders(line)[0] == 50


def test_resumed_sequences_come_first_and_the_oldest_of_them_earliest() -> None:
    line = line_of(waiting(0))
    line.add_resuming(waiting(7))
    line.add_resuming(waiting(5))
    assert orders(line) == [5, 7, 0]
    assert (len(line), line.new) == (3, 1)


def test_adapters_in_use_go_ahead_until_patience_ends() -> None:
    head = waiting(0, adapter="legal")
    line = line_of(head, *(waiting(i) for i in range(1, 20)))
    for _ in range(ADAPTER_PATIENCE):
        chosen = line.candidates({None})[0]
        assert chosen is not head
        line.admit(chosen)
    assert line.candidates({None})[0] is head


def test_removal_forgets_a_tenant_without_requests() -> None:
    first, second = waiting(0, "a"), waiting(1, "b")
    line = line_of(first, second)
    line.remove(first)
    assert orders(line) == [1]
    line.admit(second)
    assert len(line) == 0
