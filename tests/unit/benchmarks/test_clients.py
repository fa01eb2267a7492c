"""What arrival times say about streams."""

from __future__ import annotations

import threading

import pytest

from benchmarks import clients
from benchmarks.arms.base import Ask, OnPiece, Served


def served(times: list[float], *, asked: float = 0.0, sizes: list[int] | None = None) -> Served:
    """An answer whose pieces, one token each, arrived at these times."""
    arrivals = list(zip(times, sizes or [1] * len(times), strict=True))
    return Served(asked_at=asked, arrivals=arrivals, ended_at=times[-1], completion_tokens=len(times))


def test_decode_rate_leaves_out_the_first_token() -> None:
    assert clients.decode_rate(served([5.0, 5.5, 6.0, 6.5, 7.0])) == pytest.approx(2.0)


def test_throughput_counts_from_the_first_ask_to_the_last_end() -> None:
    both = [served([1.0, 2.0], asked=0.0), served([2.0, 3.0, 4.0], asked=0.5)]
    assert clients.wall_s(both) == 4.0
    assert clients.throughput(both) == pytest.approx(5 / 4)


def test_joint_rate_counts_only_while_all_decode() -> None:
    early = served([0.0, 1.0, 2.0, 3.0, 4.0])
    late = served([2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0])
    # both decode from 2 to 4: two tokens of the first stream, four of the second
    assert clients.joint_decode_rate([early, late]) == pytest.approx(3.0)


def test_a_piece_counts_by_its_characters() -> None:
    done = served([0.0, 1.0, 2.0], sizes=[1, 1, 2])
    done.completion_tokens = 8
    assert clients.joint_decode_rate([done]) == pytest.approx((2 + 4) / 2)


def test_streams_one_after_the_other_have_no_joint_rate() -> None:
    assert clients.joint_decode_rate([served([0.0, 1.0]), served([1.0, 2.0])]) is None


def test_the_longest_gap_is_looked_for_after_the_arrival() -> None:
    streams = [served([0.0, 5.0, 6.0, 6.5]), served([5.0, 5.2, 7.0])]
    assert clients.longest_gap_s(streams, since=5.0) == pytest.approx(1.8)
    assert clients.longest_gap_s(streams, since=1.0) == pytest.approx(5.0)
    assert clients.longest_gap_s(streams, since=9.0) == 0.0


def test_computed_tokens_are_unknown_when_one_arm_does_not_say() -> None:
    known, unknown = served([1.0]), served([1.0])
    known.computed_prompt_tokens = 7
    assert clients.computed_prompt_tokens([known, known]) == 14
    assert clients.computed_prompt_tokens([known, unknown]) is None


class Scripted:
    """An arm that answers at once; readers are held until the late prompt has arrived."""

    name = "scripted"

    def __init__(self, short_by: int = 0) -> None:
        self._short_by = short_by
        self._late = threading.Event()

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def serve(self, ask: Ask, on_piece: OnPiece | None = None) -> Served:
        if on_piece:
            on_piece(1)
            on_piece(2)
            assert self._late.wait(10)
        else:
            self._late.set()
        done = served([float(at) for at in range(1, ask.max_tokens + 1)])
        done.completion_tokens -= self._short_by
        return done


def test_late_prompts_wait_until_every_reader_reads() -> None:
    reading, late = [Ask(prompt="a", max_tokens=3)] * 2, [Ask(prompt="b", max_tokens=2)]
    first, second = clients.serve_while_decoding(Scripted(), reading, late, after=2)
    assert [len(done.arrivals) for done in first] == [3, 3]
    assert len(second) == 1


def test_an_arm_that_writes_less_is_not_compared() -> None:
    with pytest.raises(clients.WrongWork, match="scripted wrote 3 tokens instead of 6"):
        clients.serve_all(Scripted(short_by=3), [Ask(prompt="a", max_tokens=6)])
