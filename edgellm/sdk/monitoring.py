"""Monitoring: what is asked and how it is answered, for the operator of this machine; nothing leaves it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from edgellm.errors import InvalidInput, NotFound, error_types
from edgellm.sdk.monitor_look import LOOKED_AT, Look, Means, Progress, silent
from edgellm.store import BROKEN, REFUSED, Store
from edgellm.store.asked import WEAK, Ended, Span, Timed
from edgellm.store.keys import DAY_S
from edgellm.store.records import OK

if TYPE_CHECKING:  # numpy is loaded when a report is made
    from edgellm.monitor.values import Answering, Day, Latency, Monitored

Form = Literal["html", "markdown", "prometheus"]
MOST_DAYS = 3650.0
_STOPPED = frozenset({"cancelled", "RequestCancelled"})
_OURS = ("EngineError", "ModelError", "StoreError", "DownloadError", "MissingExtra", "JobError")
"""Kinds of errors that are no fault of who asked."""


class Monitoring:
    """Reports of what was asked. Errors: InvalidInput, NotFound, StoreError; EngineError from an embedder that ends."""

    def __init__(self, store: Callable[[], Store], means: Means, clock: Callable[[], float] = time.time) -> None:
        self._store, self._means, self._clock = store, means, clock

    def report(
        self,
        days: float = 30,
        tenant: str | None = None,
        *,
        seed: int = 0,
        on_progress: Progress = silent,
    ) -> Monitored:
        """What was asked in the last days, how it was answered, and whether that changed since the days before.

        Args:
            days: length of the period, and of the one before that it is compared with.
            tenant: id or name of a key; empty: this machine's own chats and programs; None: everyone together.
            seed: draws the questions that are looked at where there are very many, and shuffles for the tests.
            on_progress: told what is done, how far, and of how much (0: unknown).

        Personal data in questions is masked. What was kept without its text is counted and never shown.
        """
        from edgellm.monitor import trend
        from edgellm.monitor.values import Monitored, Period

        if not 0 < days <= MOST_DAYS:
            message = f"{days!r} days were asked for; a period has more than 0 and at most {MOST_DAYS:g}."
            raise InvalidInput(message, field="days")
        until = self._clock()
        period = Period(days=days, before=until - 2 * days * DAY_S, since=until - days * DAY_S, until=until)
        who = self._tenant(tenant)
        now = Span(since=period.since, until=until, tenant=who)
        before = Span(since=period.before, until=period.since, tenant=who)
        asked = self._store().asked
        on_progress("Reading questions", 0, 0)
        questions = asked.questions(now, LOOKED_AT, seed)
        look = Look(self._means, questions, asked.questions(before, LOOKED_AT, seed), seed, on_progress)
        ended = asked.ended(now)
        weak = sum(each.count for each in ended if each.way == WEAK)
        first, last = datetime.fromtimestamp(now.since).date(), datetime.fromtimestamp(until).date()
        with look:
            topics = look.topics()
            drift = look.drift()
        return Monitored(
            period=period,
            tenant=who,
            looked=look.looked,
            topics=topics.topics,
            alone=topics.alone,
            answering=_answering(ended),
            weak=trend.share(weak, max(weak, asked.from_documents(now))),
            signals=asked.signals(now),
            days=_days(ended, trend.each_day(first, last)),
            weeks=trend.weeks(asked.ratings(now), first, last),
            latency=_latency(asked.times(now)),
            drift=drift,
            notes=tuple(look.notes),
        )

    def page(self, found: Monitored, form: Form = "html") -> str:
        """A report as one file: a page without scripts that asks for nothing, Markdown, or figures for Prometheus."""
        from edgellm.monitor.report.html import html_page
        from edgellm.monitor.report.markdown import markdown_page
        from edgellm.monitor.report.prometheus import prometheus_page

        return {"html": html_page, "markdown": markdown_page, "prometheus": prometheus_page}[form](found)

    def _tenant(self, named: str | None) -> str | None:
        """A key's id. Raises: NotFound, InvalidInput for a name that several keys have."""
        if not named:
            return named
        keys = self._store().keys.list()
        if named in [key.id for key in keys]:
            return named
        ids = [key.id for key in keys if key.name == named]
        if len(ids) > 1:
            message = f"{len(ids)} keys are named {named!r}."
            raise InvalidInput(message, hint=f"Say which one by its id: {', '.join(ids[:4])}.", field="tenant")
        if not ids:
            near = get_close_matches(named, [key.name for key in keys], 1)
            hint = f"Did you mean {near[0]!r}?" if near else "`edgellm keys list` shows which there are."
            raise NotFound(f"There is no key {named!r}.", hint=hint, name=named)
        return ids[0]


def _answering(ended: Sequence[Ended]) -> Answering:
    from edgellm.monitor.trend import share
    from edgellm.monitor.values import Answering

    ways: Counter[str] = Counter()
    for each in ended:
        ways[each.way] += each.count
    kinds: Counter[str] = Counter()
    for way, count in ways.items():
        kinds[_kind(way)] += count
    whole = kinds["answered"] + kinds["abstained"] + kinds["refused"] + kinds["failed"]
    failures = {_reason(way): count for way, count in ways.most_common() if _kind(way) in ("refused", "failed")}
    return Answering(
        answered=share(max(0, kinds["answered"]), max(0, whole)),
        abstained=kinds["abstained"],
        refused=kinds["refused"],
        failed=kinds["failed"],
        stopped=kinds["stopped"],
        failures=failures,
    )


def _kind(way: str) -> Literal["answered", "abstained", "refused", "failed", "stopped"]:
    """What the end of a request means. An error is refused where who asked can do something about it."""
    if way == OK:
        return "answered"
    if way == WEAK:
        return "abstained"
    if way in _STOPPED:
        return "stopped"
    if way == REFUSED:
        return "refused"
    kinds = error_types()
    error = kinds.get(way)
    is_ours = error is None or issubclass(error, tuple(kinds[name] for name in _OURS))
    return "failed" if is_ours else "refused"


def _reason(way: str) -> str:
    """The reason in the words of the error's class."""
    if way == BROKEN:
        return "the answer broke off"
    if way == REFUSED:
        return "the request was refused"
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in way).strip()
    return {"deadline": "deadline exceeded"}.get(words, words)


def _days(ended: Sequence[Ended], days: Sequence[str]) -> tuple[Day, ...]:
    from edgellm.monitor.values import Day

    asked: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    weak: Counter[str] = Counter()
    for each in ended:
        kind = _kind(each.way)
        if kind != "stopped":
            asked[each.day] += each.count
        if kind == "answered":
            answered[each.day] += each.count
        if kind == "abstained":
            weak[each.day] += each.count
    return tuple(Day(day=day, asked=asked[day], answered=answered[day], weak=weak[day]) for day in days)


def _latency(times: Sequence[Timed]) -> tuple[Latency, ...]:
    """By model, the most used first."""
    from edgellm.monitor.trend import spread
    from edgellm.monitor.values import Latency

    models = [model for model, _ in Counter(each.model for each in times).most_common()]
    return tuple(
        Latency(
            model=model,
            first=spread([each.first_s for each in times if each.model == model and each.first_s is not None]),
            whole=spread([each.whole_s for each in times if each.model == model and each.whole_s is not None]),
        )
        for model in models
    )
