"""A report with everything in it, and one of a time in which nothing was asked."""

from __future__ import annotations

from dataclasses import replace

from edgellm.monitor.trend import share
from edgellm.monitor.values import (
    Answering,
    Day,
    Drift,
    Far,
    Latency,
    Looked,
    Monitored,
    Moved,
    Period,
    Spread,
    Topic,
    Week,
)

HOSTILE = "<script>alert(1)</script> [link](http://evil.example) \x1b[2J | ` ["
UNTIL = 1_795_400_000.0
DAY_S = 86_400.0


def monitored() -> Monitored:
    """30 days of a ferry company's questions."""
    return Monitored(
        period=Period(days=30, before=UNTIL - 60 * DAY_S, since=UNTIL - 30 * DAY_S, until=UNTIL),
        tenant=None,
        looked=Looked(questions=340, without_text=12, looked_at=328, seed=0, by="embedding", model="all-minilm-l6-v2"),
        topics=(
            Topic(
                label=("ferry", "island"),
                questions=180,
                share=180 / 328,
                previous=0.5,
                weak=3,
                disliked=7,
                examples=("When does the ferry to the island leave?", "What does a ticket cost?"),
            ),
            Topic(label=("dog",), questions=60, share=60 / 328, previous=None, examples=(HOSTILE,)),
        ),
        alone=88,
        answering=Answering(
            answered=share(310, 340), abstained=20, refused=4, failed=6, stopped=2, failures={"worker died": 6}
        ),
        weak=share(20, 160),
        signals={"thumbs_down": 9, "weak_evidence": 20},
        days=tuple(
            Day(day=f"2026-10-{number:02d}", asked=number, answered=number - 1, weak=0) for number in range(1, 31)
        ),
        weeks=(
            Week(week="2026-10-26", liked=share(12, 20), corrected=3),
            Week(week="2026-11-02", liked=share(18, 20)),
            Week(week="2026-11-09", liked=share(0, 0)),
        ),
        latency=(
            Latency(
                model="starter@ferry",
                first=Spread(answers=300, p50_s=0.42, p90_s=0.9, p99_s=1.73),
                whole=Spread(answers=300, p50_s=4.2, p90_s=9.1, p99_s=17.0),
            ),
            Latency(model="other", first=None, whole=None),
        ),
        drift=(
            Drift(
                kind="training",
                reference="starter@ferry",
                by="embedding",
                texts=75,
                questions=328,
                previous=290,
                moved=Moved(now=0.42, before=0.31, difference=0.11, low=0.06, high=0.16, p=0.0002),
                p_corrected=0.0004,
                word="farther",
                farthest=(Far(question=HOSTILE, distance=0.93, at=UNTIL - 5, model="starter@ferry"),),
            ),
            Drift(
                kind="documents",
                reference="handbook",
                by="embedding",
                texts=0,
                questions=9,
                previous=4,
                moved=None,
                p_corrected=None,
                word="too few to say",
            ),
        ),
        notes=("Drift from training data: No adapter answered in this time.",),
    )


def nothing() -> Monitored:
    """As on the first day."""
    return replace(
        monitored(),
        looked=Looked(questions=0, without_text=0, looked_at=0, seed=0, by="words"),
        topics=(),
        alone=0,
        answering=Answering(answered=share(0, 0)),
        weak=share(0, 0),
        signals={},
        days=(),
        weeks=(),
        latency=(),
        drift=(),
        notes=(),
    )
