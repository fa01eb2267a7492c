"""Numbers as people read them."""

from __future__ import annotations

from datetime import datetime


def span(seconds: float) -> str:
    """A duration: `0.42 s`, `12 s`, `3:05 min`, `1:02 h`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d} min"
    return f"{minutes // 60}:{minutes % 60:02d} h"


def clock(seconds: float) -> str:
    """Time that is left, in whole seconds: `0:07`, `12:30`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def rate(tokens_per_s: float | None) -> str:
    """Tokens a second, with one digit below ten."""
    if tokens_per_s is None:
        return "?"
    return f"{tokens_per_s:.0f} tok/s" if tokens_per_s >= 10 else f"{tokens_per_s:.1f} tok/s"


def count(number: int, noun: str) -> str:
    """`1 message`, `2 messages`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def moment(timestamp_s: float, now_s: float) -> str:
    """When something happened, local time: the hour for today, else the date."""
    then, now = datetime.fromtimestamp(timestamp_s), datetime.fromtimestamp(now_s)
    return f"{then:%H:%M}" if then.date() == now.date() else f"{then:%Y-%m-%d}"
