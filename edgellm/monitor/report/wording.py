"""Numbers of a monitoring report in words, for every form of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from edgellm.monitor.values import Drift, Looked, Monitored, Share, Spread, Topic, Week

SIGNALS = {
    "correction": "corrected",
    "thumbs_down": "rated down",
    "thumbs_up": "rated up",
    "weak_evidence": "without evidence",
    "schema_refused": "not in the wanted form",
    "tool_error": "a tool failed",
    "regenerated": "answered again",
}
FIRST_REPORT = "Nothing was asked in this time."
DRIFT_EXPLAINED = (
    "Distance is 1 less the cosine with the nearest text, 0 to 2. Both periods are compared by a permutation test over "
    "conversations; it counts at 1 %, corrected for the number of references, so that a report that is read every day "
    "does not call out by chance. “No drift shown” does not mean that nothing changed."
)
Facts = Iterator[tuple[str, str]]


def share(found: Share) -> str:
    """`91.2 % (88.0 to 93.7), 310 of 340`; a dash of nothing."""
    if found.rate is None or found.low is None or found.high is None:
        return "–"
    bounds = f"({100 * found.low:.1f} to {100 * found.high:.1f})"
    return f"{100 * found.rate:.1f} % {bounds}, {found.count:,} of {found.of:,}"


def part(rate: float | None) -> str:
    """A share alone, in percent."""
    return "–" if rate is None else f"{100 * rate:.0f} %"


def seconds(value: float) -> str:
    """With as many digits as mean something."""
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def spread(found: Spread | None) -> str:
    """`0.42 s, 0.90 s, 1.73 s`: what 50, 90 and 99 % took at most."""
    return "–" if found is None else ", ".join(map(seconds, (found.p50_s, found.p90_s, found.p99_s)))


def label(topic: Topic) -> str:
    """The words of a topic; where none tells it from the others, its most typical question."""
    return ", ".join(topic.label) or (topic.examples[0] if topic.examples else "–")


def period(found: Monitored) -> str:
    """`2026-10-02 to 2026-11-01, 30 days`."""
    first, last = (datetime.fromtimestamp(at).date() for at in (found.period.since, found.period.until))
    return f"{first} to {last}, {found.period.days:g} days"


def whose(found: Monitored) -> str:
    """Whose questions these are."""
    if found.tenant is None:
        return "Everyone together."
    return f"The key {found.tenant}." if found.tenant else "This machine's own chats and programs."


def looked(found: Looked) -> str:
    """What topics and drift were made of, in a sentence or two."""
    said = f"{found.looked_at:,} of {found.questions:,} questions were looked at"
    if found.looked_at + found.without_text < found.questions:
        said += f" (drawn by the seed {found.seed})"
    if not found.looked_at:
        said += "."
    elif found.by == "embedding":
        said += f", compared by the embedder {found.model}."
    else:
        said += ", compared only by the words they share."
    if found.why:
        said += f" {found.why.rstrip('.')}."
    if found.without_text:
        said += f" {found.without_text:,} were kept without their text: they are counted and never shown."
    return said


def rates(found: Monitored) -> Facts:
    """Names and values of everything that is counted."""
    answering = found.answering
    yield "answered", share(answering.answered)
    yield "documents without evidence", share(found.weak)
    for name, count in (
        ("nothing in the documents", answering.abstained),
        ("stopped by who asked", answering.stopped),
        ("refused", answering.refused),
        ("failed", answering.failed),
    ):
        if count:
            yield name, f"{count:,}"
    for reason, count in answering.failures.items():
        yield f"  · {reason}", f"{count:,}"
    for reason, count in found.signals.items():
        yield f"queue: {SIGNALS.get(reason, reason)}", f"{count:,}"


def rated(found: Week) -> str:
    """Ratings of one week."""
    return share(found.liked) + (f", {found.corrected:,} corrected" if found.corrected else "")


def reference(found: Drift) -> str:
    """What questions were compared with."""
    if found.kind == "documents":
        return f"documents {found.reference}"
    return f"training data of {found.reference}" + (" (by words)" if found.by == "words" else "")


def drift(found: Drift) -> str:
    """`farther: 0.42, before 0.31, +0.11 (+0.06 to +0.16), p = 0.001`."""
    counts = f"{found.questions:,} questions, {found.previous:,} before"
    if found.moved is None or found.p_corrected is None:
        return f"{found.word} ({counts})"
    moved = found.moved
    p = "< 0.001" if found.p_corrected < 0.001 else f"= {found.p_corrected:.3f}"
    change = f"{moved.difference:+.3f} ({moved.low:+.3f} to {moved.high:+.3f})"
    return f"{found.word}: {moved.now:.3f}, before {moved.before:.3f}, {change}, p {p} ({counts})"
