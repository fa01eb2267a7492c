"""Items of the review queue as lines of a list, and what of the queue is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from textual.content import Content

from edgellm.safetext import clean_line

if TYPE_CHECKING:
    from edgellm.sdk.reviews import Masked
    from edgellm.store import ReviewItem

REASON_CELLS = 16
HEAD = Content.styled(f"{'Why':<{REASON_CELLS}}Question", "$foreground 55%")
"""Above the columns."""
WORDS = {
    "correction": "corrected",
    "thumbs_down": "rated down",
    "thumbs_up": "rated up",
    "weak_evidence": "weak evidence",
    "schema_refused": "schema refused",
    "tool_error": "tool error",
    "regenerated": "asked again",
}
_LOOKS = {"correction": "$text-secondary", "thumbs_up": "$text-success", "regenerated": "$text-secondary"}
NOT_KEPT = "(not kept)"
NEEDS_WORDS = "Nobody said what should have been answered. Press e to write it."
DECIDED = ("accepted", "rejected", "merged")
"""States of items that can be opened again."""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One item of the list, personal data masked."""

    masked: Masked

    @property
    def item(self) -> ReviewItem:
        """The item without personal data."""
        return self.masked.item

    @property
    def name(self) -> str:
        """The item's id."""
        return self.item.id

    def line(self) -> Content:
        """Why it is here, and what was asked: what `HEAD` names."""
        reason = self.item.reason.value
        word = Content.styled(f"{WORDS[reason]:<{REASON_CELLS}}", _LOOKS.get(reason, "$text-warning"))
        asked = clean_line(self.item.question)
        return word + (Content(asked) if asked else Content.styled(NOT_KEPT, "$foreground 55%"))


def counts_line(counts: Mapping[str, int], looked_at: str) -> Content:
    """How much waits, for each reason; what alone is looked at (a reason, or a state) stands out."""
    total = sum(counts.values())
    parts = [Content.styled(f"{total:,} open" if total else "Nothing is open", "" if looked_at else "bold")]
    if looked_at in DECIDED:
        parts.insert(0, Content.styled(f"Looking at what was {looked_at}", "bold $primary"))
    for name, number in counts.items():
        look = "bold $primary" if name == looked_at else "$foreground 65%"
        parts.append(Content.styled(f"{number:,} {WORDS[name]}", look))
    return Content("   ").join(parts)


def teaches(item: ReviewItem) -> str:
    """What accepting the item as it is would teach, in a sentence; or what was decided."""
    if item.decided_at is not None:
        when = f"{datetime.fromtimestamp(item.decided_at):%Y-%m-%d %H:%M}"
        return f"It was {item.state.value} on {when}. Press u to open it again."
    if item.wanted is not None and item.wanted.strip():
        better = [each for each in (item.context.answer, item.context.other) if each and each.strip() != item.wanted]
        also = ", and that it is better than the other answer" if better else ""
        source = "the correction" if item.correction is not None else "this answer"
        return f"Accepting teaches {source}{also}."
    if item.reason.value == "thumbs_down" and item.context.answer:
        return "Accepting teaches that this answer is poor. Edit it to teach a better one, too."
    return NEEDS_WORDS
