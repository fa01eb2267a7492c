"""Several clients at once, and what their arrival times say."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from benchmarks.arms.base import Arm, Ask, Served


class WrongWork(Exception):
    """An arm did other work than it was asked to: its time cannot be compared."""


def serve_all(arm: Arm, asks: Sequence[Ask]) -> list[Served]:
    """Serve all asks at once, one client thread each; in the order of `asks`."""
    with ThreadPoolExecutor(len(asks)) as clients:
        served = list(clients.map(arm.serve, asks))
    check_work(arm, asks, served)
    return served


def serve_while_decoding(
    arm: Arm, decoding: Sequence[Ask], late: Sequence[Ask], after: int
) -> tuple[list[Served], list[Served]]:
    """Start `decoding`; when each of them has `after` pieces, start `late`. Returns both groups, served."""
    ready = [threading.Event() for _ in decoding]

    def serve(number: int) -> Served:
        return arm.serve(decoding[number], lambda pieces: ready[number].set() if pieces >= after else None)

    with ThreadPoolExecutor(len(decoding) + len(late)) as clients:
        first = [clients.submit(serve, number) for number in range(len(decoding))]
        for event, future in zip(ready, first, strict=True):
            _wait(event, future)
        second = [clients.submit(arm.serve, ask) for ask in late]
        served, served_late = [f.result() for f in first], [f.result() for f in second]
    check_work(arm, decoding, served)
    check_work(arm, late, served_late)
    return served, served_late


def _wait(event: threading.Event, future: Future[Served]) -> None:
    while not event.wait(0.2):
        if future.done():
            future.result()
            return


def check_work(arm: Arm, asks: Sequence[Ask], served: Sequence[Served]) -> None:
    """Raises: WrongWork when an answer is shorter than asked."""
    for ask, done in zip(asks, served, strict=True):
        if done.completion_tokens < ask.max_tokens - 1:  # packaged server: the last piece may hold two tokens
            raise WrongWork(f"{arm.name} wrote {done.completion_tokens} tokens instead of {ask.max_tokens}.")


def computed_prompt_tokens(served: Sequence[Served]) -> int | None:
    """Prompt tokens computed for all answers; None when an arm does not say."""
    counts = [done.computed_prompt_tokens for done in served if done.computed_prompt_tokens is not None]
    return sum(counts) if len(counts) == len(served) else None


def decode_rate(done: Served) -> float:
    """Tokens a second of one stream, after its first."""
    return (done.completion_tokens - 1) / (done.last_at - done.first_at)


def wall_s(served: Sequence[Served]) -> float:
    """From the first ask to the last answer's end."""
    return max(done.ended_at for done in served) - min(done.asked_at for done in served)


def throughput(served: Sequence[Served]) -> float:
    """Generated tokens a second over the wall time, reading prompts included."""
    return sum(done.completion_tokens for done in served) / wall_s(served)


def joint_decode_rate(served: Sequence[Served]) -> float | None:
    """Tokens a second of all streams together while every one of them is decoding; None when they never are."""
    start, end = max(done.first_at for done in served), min(done.last_at for done in served)
    if end <= start:
        return None
    return sum(_tokens_between(done, start, end) for done in served) / (end - start)


def _tokens_between(done: Served, start: float, end: float) -> float:
    """Tokens that arrived in (start, end]; a piece counts by its share of the characters."""
    characters = sum(size for _, size in done.arrivals)
    inside = sum(size for at, size in done.arrivals if start < at <= end)
    return done.completion_tokens * inside / characters


def longest_gap_s(served: Sequence[Served], since: float) -> float:
    """The longest wait for the next piece in any stream, among pieces that arrived after `since`."""
    gaps = [
        later - earlier
        for done in served
        for (earlier, _), (later, _) in zip(done.arrivals, done.arrivals[1:], strict=False)
        if later > since
    ]
    return max(gaps, default=0.0)
