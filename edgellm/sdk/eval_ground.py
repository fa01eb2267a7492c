"""Passages for cases that bring their own, and how far an answer's passages hold it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgellm.data.draft_checks import content
from edgellm.data.sentences import sentence_spans
from edgellm.evals.values import Support
from edgellm.retrieval.ground.citations import check
from edgellm.retrieval.ground.passages import Passage
from edgellm.retrieval.ground.prompt import grounded
from edgellm.retrieval.values import Hit
from edgellm.types import Evidence, Message

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)
_MARKS = re.compile(r"\[\d{1,3}\]")


def passages_of(texts: Sequence[str], after: int = 0) -> list[Passage]:
    """Texts as numbered passages, which follow `after` others."""
    return [
        Passage(
            number=after + number,
            hit=Hit(
                chunk_id=-number,
                file=f"text {number}",
                page=None,
                headings=(),
                text=text,
                start=0,
                end=len(text),
                score=0.0,
            ),
        )
        for number, text in enumerate(texts, 1)
    ]


def with_passages(messages: Sequence[Message], passages: Sequence[Passage]) -> list[Message]:
    """The conversation with passages before its last question, as documents are asked."""
    *earlier, last = messages
    return grounded(last.content, passages, earlier)


def checked(answer: str, passages: Sequence[Passage]) -> tuple[str, Support]:
    """An answer with the citations that hold, and how far the passages hold it."""
    found = check(answer, passages)
    evidence = Evidence(
        collection="",
        citations=found.citations,
        removed=found.removed,
        unsupported=found.unsupported,
        passages=len(passages),
    )
    return found.text, support_of(found.text, evidence)


def support_of(text: str, evidence: Evidence) -> Support:
    """How far the evidence holds an answer whose citations were checked.

    A claim is a sentence with a word that means something, code left out. The marks in the text stand in the order of
    the evidence's citations.
    """
    claims = cited = held = at = 0
    plain = _CODE.sub(lambda code: " " * len(code[0]), text)
    for begin, end in sentence_spans(plain):
        sentence = plain[begin:end]
        marks = len(_MARKS.findall(sentence))
        own = [each for each in evidence.citations[at : at + marks] if not each.is_added]
        at += marks
        held += len(own)
        if content(_MARKS.sub("", sentence)):
            claims += 1
            cited += bool(own)
    unsupported = tuple(text[begin:end] for begin, end in evidence.unsupported)
    return Support(
        claims=max(claims, len(unsupported)),
        unsupported=unsupported,
        cited=cited,
        held=held,
        removed=evidence.removed,
        is_weak=evidence.is_weak,
    )
