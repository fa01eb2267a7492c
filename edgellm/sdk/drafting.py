"""What a model is asked when it drafts: a pair for a sentence, and whether a passage supports it.

The answer is written before the question: a small model copies the sentence and then asks for what it wrote, where in
the other order it invents a question and then an answer to it. Documents go in as the contents of chat turns, in which
no text becomes a control token.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import msgspec

from edgellm.data.passages import Passage
from edgellm.decoding import from_json
from edgellm.engine.stream import Stream
from edgellm.errors import ContextOverflow
from edgellm.sdk.engines import Opened
from edgellm.types import Constraint, Delta, Message, Sampling

TOGETHER = 8
"""Requests at a time: as many as the engine decodes together."""
PAIR_TOKENS = 200
MOST_ANSWER_CHARS, MOST_QUESTION_CHARS = 300, 160
ABLE = 0.75
"""Share of the control questions that a model must answer right for its word to count; a guess gets half."""
_SYSTEM = "You write an answer and its question from a fact in a text."
_JUDGE = "You check answers. Say yes if the text says so and it answers the question, and no if not."
_MARK = re.compile(r"\d|(?<!^)\b[A-Z]\w+")
_PAIR_SCHEMA = {
    "type": "object",
    "properties": {
        "answer": {"type": "string", "minLength": 3, "maxLength": MOST_ANSWER_CHARS},
        "question": {"type": "string", "minLength": 10, "maxLength": MOST_QUESTION_CHARS},
    },
    "required": ["answer", "question"],
    "additionalProperties": False,
}
PAIR = Constraint(kind="json_schema", text=json.dumps(_PAIR_SCHEMA))
YES_OR_NO = Constraint(kind="json_schema", text=json.dumps({"type": "string", "enum": ["yes", "no"]}))
T = TypeVar("T")


class WrittenPair(msgspec.Struct, frozen=True):
    """What the model writes."""

    answer: str
    question: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A pair to be written: about one sentence of a passage."""

    passage: Passage
    sentence: str


@dataclass(frozen=True, slots=True)
class Claim:
    """An answer whose support is to be judged."""

    text: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class _Example:
    title: str
    text: str
    fact: str
    pair: WrittenPair


_EXAMPLES = (
    _Example(
        "The mill",
        "The Greyfold mill stands on the river Aster. It was built in 1742 and grinds oats and rye.",
        "It was built in 1742 and grinds oats and rye.",
        WrittenPair("The Greyfold mill was built in 1742.", "When was the Greyfold mill built?"),
    ),
    _Example(
        "Library / Cards",
        "Library cards are free for residents. Visitors pay 4 dollars a month.",
        "Visitors pay 4 dollars a month.",
        WrittenPair(
            "Visitors pay 4 dollars a month for a library card.", "How much do visitors pay for a library card?"
        ),
    ),
    _Example(
        "The garden",
        "The garden has three ponds. The head gardener is Joan Parry, who planted the rose walk.",
        "The head gardener is Joan Parry, who planted the rose walk.",
        WrittenPair("The head gardener is Joan Parry.", "Who is the head gardener?"),
    ),
    _Example(
        "Pool rules",
        "Swimmers must wear a cap because hair blocks the filter. Towels are in the blue box.",
        "Towels are in the blue box.",
        WrittenPair("At the pool, the towels are in the blue box.", "Where are the towels at the pool?"),
    ),
    _Example(
        "Bakery",
        "The bakery opens at 6 in the morning. Bread that is left over at noon goes to the school.",
        "Bread that is left over at noon goes to the school.",
        WrittenPair(
            "Bread that is left over at noon goes to the school.",
            "What happens to bread that is left over at the bakery?",
        ),
    ),
)
_JUDGED = (
    (Claim("The mill was built in 1742 and grinds oats.", "When was the mill built?", "It was built in 1742."), True),
    (
        Claim(
            "Cards are free for residents. Visitors pay 4 dollars.", "What do visitors pay?", "Visitors pay 9 dollars."
        ),
        False,
    ),
    (Claim("Joan Parry planted the rose walk.", "Who planted the rose walk?", "Joan Parry planted it."), True),
    (Claim("Towels are in the blue box.", "Where are the towels?", "The towels are on the roof."), False),
)
CONTROLS = (
    (Claim("The museum closes at 5. Entry costs 3 euros.", "What does entry cost?", "Entry costs 3 euros."), True),
    (Claim("The museum closes at 5. Entry costs 3 euros.", "What does entry cost?", "Entry costs 8 euros."), False),
    (Claim("The bridge was opened by Anna Holt.", "Who opened the bridge?", "Anna Holt opened the bridge."), True),
    (Claim("The bridge was opened by Anna Holt.", "Who opened the bridge?", "Peter Lund opened the bridge."), False),
    (Claim("Bees rest in winter. Wasps die in autumn.", "When do bees rest?", "Bees rest in winter."), True),
    (Claim("Bees rest in winter. Wasps die in autumn.", "When do bees rest?", "Bees rest in summer."), False),
    (Claim("The tower is 40 metres high and white.", "What colour is the tower?", "The tower is white."), True),
    (Claim("The tower is 40 metres high and white.", "What colour is the tower?", "It is 40 metres high."), False),
)
"""Questions whose answers are known: who cannot answer them guesses."""


def sentences_to_ask(passage: Passage, most: int) -> list[str]:
    """The sentences of a passage that say most, in its order: those with numbers and names first."""
    found = [sentence for sentence in passage.sentences if len(sentence.split()) > 2 or len(sentence) > 20]
    ranked = sorted(range(len(found)), key=lambda at: (-len(_MARK.findall(found[at])), at))[:most]
    return [found[at] for at in sorted(ranked)]


def write_pairs(model: Opened, wanted: Iterable[Wanted], *, reads_passage: bool) -> Iterator[WrittenPair | None]:
    """A pair for each; None where what was written is cut short, or the passage does not fit the model's context.

    With `reads_passage` False the model sees the sentence alone, which is what weak models can hold on to.
    """
    sampling = Sampling(temperature=0.0, max_tokens=PAIR_TOKENS)
    asked = (_pair_turns(each, reads_passage=reads_passage) for each in wanted)
    for text in _answers(model, asked, sampling, PAIR):
        try:
            yield from_json(text, type=WrittenPair)
        except msgspec.DecodeError:
            yield None


def judge(model: Opened, claims: Iterable[Claim]) -> Iterator[bool]:
    """Whether the model says that the text supports the answer, for each."""
    sampling = Sampling(temperature=0.0, max_tokens=8)
    for text in _answers(model, map(_judge_turns, claims), sampling, YES_OR_NO):
        yield text == '"yes"'


def controls_right(model: Opened) -> int:
    """How many of `CONTROLS` the model answers right."""
    said = judge(model, (claim for claim, _ in CONTROLS))
    return sum(says is wanted for says, (_, wanted) in zip(said, CONTROLS, strict=True))


def _pair_turns(wanted: Wanted, *, reads_passage: bool) -> list[Message]:
    turns = [Message(role="system", content=_SYSTEM)]
    for example in _EXAMPLES:
        turns.append(_asked(example.title, example.text, example.fact))
        turns.append(Message(role="assistant", content=msgspec.json.encode(example.pair).decode()))
    text = wanted.passage.text if reads_passage else wanted.sentence
    return [*turns, _asked(wanted.passage.title, text, wanted.sentence)]


def _asked(title: str, text: str, fact: str) -> Message:
    return Message(role="user", content=f"Title: {title}\nText: {text}\nFact: {fact}")


def _judge_turns(claim: Claim) -> list[Message]:
    turns = [Message(role="system", content=_JUDGE)]
    for example, is_supported in _JUDGED:
        turns += [_claimed(example), Message(role="assistant", content='"yes"' if is_supported else '"no"')]
    return [*turns, _claimed(claim)]


def _claimed(claim: Claim) -> Message:
    asked = f"Text: {claim.text}\nQuestion: {claim.question}\nAnswer: {claim.answer}\nIs the answer right?"
    return Message(role="user", content=asked)


def _answers(
    model: Opened, asked: Iterable[Sequence[Message]], sampling: Sampling, constraint: Constraint
) -> Iterator[str]:
    """What the model writes for each, `TOGETHER` at a time. Raises: errors of the worker."""
    waiting = iter(asked)
    running: deque[Stream] = deque()
    while True:
        for turns in islice(waiting, TOGETHER - len(running)):
            chat = model.worker.chat(turns, sampling=sampling, constraint=constraint, adapter=model.adapter)
            running.append(chat)
        if not running:
            return
        yield _whole(running.popleft())


def _whole(stream: Stream) -> str:
    text = "".join(event.text for event in stream if isinstance(event, Delta)).strip()
    try:
        stream.result()
    except ContextOverflow:
        return ""
    return text
