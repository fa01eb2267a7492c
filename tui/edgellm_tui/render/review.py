"""A drafted pair to decide on: its passage with the answer's words marked, question, answer, checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from edgellm.safetext import clean, clean_line

if TYPE_CHECKING:
    from edgellm.data.drafts import DraftCounts, DraftSet, Pair

MARKED = "bold $text-secondary"


def pair_content(pair: Pair) -> Content:
    """Everything that is needed to decide on a pair."""
    lines = [Content.styled(clean_line(str(pair.passage.source)), "$foreground 55%")]
    if pair.passage.title:
        lines.append(Content.styled(clean_line(pair.passage.title), "bold"))
    lines += [Content(""), marked(clean(pair.passage.text), pair.answer)]
    lines += [Content(""), Content.styled("Question", "bold $primary"), Content(clean(pair.question))]
    lines += [Content(""), Content.styled("Answer", "bold $text-secondary"), Content(clean(pair.answer))]
    lines += [Content(""), Content.styled(_checks(pair), "$foreground 55%")]
    return Content("\n").join(lines)


def marked(passage: str, answer: str) -> Content:
    """The passage with the words of the answer marked."""
    from edgellm.data.draft_checks import shared

    text = Content(passage)
    for begin, end in shared(passage, answer):
        text = text.stylize(MARKED, begin, end)
    return text


def counts_line(counts: DraftCounts) -> str:
    """How far the review is: `12 pending  3 accepted`; supported pairs alone."""
    return "  ".join(f"{number:,} {status}" for status, number in counts.statuses.items() if number)


def drafts_line(drafts: DraftSet) -> Content:
    """A draft set in a list."""
    name = Content.styled(clean_line(drafts.name), "bold")
    return Content.assemble(name, (f"   {counts_line(drafts.counts) or 'no pairs'}", "$foreground 55%"))


def _checks(pair: Pair) -> str:
    said = {True: "says yes", False: "says no", None: "was not asked"}[pair.drafted.model_says]
    return f"Checks: its words are in the passage; the model {said}."
