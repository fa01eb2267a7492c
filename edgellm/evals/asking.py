"""What a subject is asked for one case: an answer, how probable texts are, or both variants of a pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edgellm.evals.values import Asked, Case, Said, Subject, seed_of
from edgellm.types import Message

Asking = Callable[[Case, int, Subject], Said]
"""A case, which of its samples, and who is asked."""


def answer(case: Case, sample: int, subject: Subject) -> Said:
    """The subject's answer."""
    return subject.answer(_asked(case, sample, case.messages))


def weigh_choices(case: Case, _sample: int, subject: Subject) -> Said:
    """How probable each choice is as the answer."""
    return Said(likelihoods=tuple(subject.likelihood(case.messages, choice) for choice in case.options["choices"]))


def weigh_text(case: Case, _sample: int, subject: Subject) -> Said:
    """How probable the case's text is, without a conversation."""
    return Said(likelihoods=(subject.likelihood((), case.question),))


def ask_pair(case: Case, sample: int, subject: Subject) -> Said:
    """Both variants: how probable the case's continuation is after each, or the answers to them."""
    one, two = (with_term(case.messages, term) for term in case.options["terms"])
    continuation = case.options.get("continuation")
    if continuation is not None:
        return Said(likelihoods=tuple(subject.likelihood(messages, continuation) for messages in (one, two)))
    first, second = (subject.answer(_asked(case, sample, messages)) for messages in (one, two))
    return replace(first, other=second.text, seconds=first.seconds + second.seconds)


TERM = "{term}"
"""What stands for the group term in the texts of a pair."""


def with_term(messages: tuple[Message, ...], term: str) -> tuple[Message, ...]:
    """The conversation with a term in its place."""
    return tuple(replace(each, content=each.content.replace(TERM, term)) for each in messages)


def _asked(case: Case, sample: int, messages: tuple[Message, ...]) -> Asked:
    return Asked(
        messages=messages,
        sampling=replace(case.sampling, seed=seed_of(case, sample)),
        constraint=case.constraint,
        tools=case.tools,
        passages=case.passages,
        planted=case.planted,
    )
