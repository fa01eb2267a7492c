"""What a candidate learns from: accepted items of the queue, and what the live version learnt before; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgellm.errors import InvalidInput
from edgellm.sdk.lessons import SOURCE
from edgellm.types import Message

if TYPE_CHECKING:  # what reads examples is imported when lessons are
    from edgellm.data.rows import ChatRow, Row
    from edgellm.sdk.improve_run import Objective
    from edgellm.sdk.reviews import Lessons, Reviews

FEWEST_TO_SHOW = 8
"""So many corrected questions can be shown to be answered better; with fewer, chance alone could do as much."""
AS_ASKED, IN_OTHER_WORDS = "as asked", "in other words"
ANSWER_TOKENS = 256
"""Most tokens of an answer to a corrected question."""
MOST_MERGED = 1000
"""Merged items, newest first, among which other wordings are looked for."""


def item_of(file: str) -> str:
    """Id of the queue's item that a row comes from; empty: it comes from elsewhere."""
    return file.removeprefix(SOURCE) if file.startswith(SOURCE) else ""


def items_in(lessons: Lessons) -> tuple[str, ...]:
    """Ids of the items that teach, in their order, each once."""
    sources = [each.source.file for some in (lessons.rows, lessons.pairs, lessons.thumbs) for each in some]
    return tuple(dict.fromkeys(found for found in map(item_of, sources) if found))


@dataclass(frozen=True, slots=True)
class Chosen:
    """How a candidate is to learn, and why."""

    objective: Objective
    why: str


def objective_for(lessons: Lessons) -> Chosen:
    """Rows are imitated; judged answers are learnt from where there are no rows and enough of them.

    Raises: InvalidInput where there is nothing, or too little.
    """
    from edgellm.data.preferences import FEWEST, FEWEST_OF_A_LABEL

    if lessons.rows:
        return Chosen("sft", f"{_count(len(lessons.rows), 'answer')} to imitate: new facts are taught with examples")
    if len(lessons.pairs) >= FEWEST:
        return Chosen("dpo", f"no answer to imitate, and {len(lessons.pairs)} pairs of a better and a worse one")
    good = sum(each.is_good for each in lessons.thumbs)
    bad = len(lessons.thumbs) - good
    if good + bad >= FEWEST and min(good, bad) >= FEWEST_OF_A_LABEL:
        return Chosen("kto", f"no answer to imitate, and {good} good and {bad} bad ones")
    if lessons.pairs or lessons.thumbs:
        message = (
            f"The queue holds {len(lessons.pairs)} pairs and {good + bad} judged answers, and no corrected answer."
        )
        hint = f"Correct some answers, or judge more: at least {FEWEST}, {FEWEST_OF_A_LABEL} good and bad ones each."
        raise InvalidInput(message, hint=hint, field="lessons")
    message = "Nothing in the queue was accepted that could be learnt from."
    raise InvalidInput(message, hint="Correct answers and accept them in the review queue first.", field="lessons")


def earlier_rows(rows: Iterable[Row], lessons: Lessons, share: float) -> Iterator[Row]:
    """Rows of the live version's dataset that are learnt again.

    Those that came from the queue are left out, since all that is accepted now is learnt anyway; so are those that
    answer a question of the queue, where the reviewers have the last word. `share`: which part of the others, chosen
    by a hash, from 0 to 1.
    """
    from edgellm.data.rows import ChatRow

    asked = {_asked(row.messages) for row in lessons.rows}
    for row in rows:
        if item_of(row.source.file) or (isinstance(row, ChatRow) and _asked(row.messages) in asked):
            continue
        if int.from_bytes(hashlib.sha256(row.id.encode()).digest()[:8]) / 2**64 < share:
            yield row


def corrected_cases(
    lessons: Lessons, wordings: Mapping[str, Sequence[tuple[Message, ...]]], *, judged: bool
) -> list[dict[str, Any]]:
    """The suite of questions whose answers were corrected, as rows of a JSONL file.

    `wordings`: by item, other wordings of its question, which are not learnt. `judged`: by a model, not by words.
    """
    found = []
    for row in _corrected(lessons):
        item = item_of(row.source.file) or row.id
        answer = row.messages[-1].content
        how = {"score": "judged", "rubric": f"It says what this says: {answer}"} if judged else {"score": "f1"}
        shared = {"group": item, "max_tokens": ANSWER_TOKENS, **how, **({} if judged else {"expected": answer})}
        found.append({"id": item, "category": AS_ASKED, "messages": _turns(row.messages[:-1]), **shared})
        others = (each for each in wordings.get(item, ()) if _turns(each) != _turns(row.messages[:-1]))
        for number, prompt in enumerate(others, 1):
            case = {"id": f"{item}-{number}", "category": IN_OTHER_WORDS, "messages": _turns(prompt)}
            found.append({**case, **shared})
    return found


def rule_for(cases: Sequence[Mapping[str, Any]]) -> str:
    """What must hold for the corrected questions, as a table of a policy."""
    groups = {case["group"] for case in cases}
    wanted = 'change = "better"' if len(groups) >= FEWEST_TO_SHOW else "at_least = 0.5"
    return f'\n[[must]]\nsuite = "corrected"\n{wanted}\n'


def other_wordings(reviews: Reviews, items: Iterable[str]) -> dict[str, list[tuple[Message, ...]]]:
    """By item, the prompts that were merged into it, masked: the question in other words, which teach nothing."""
    wanted, found = frozenset(items), dict[str, list[tuple[Message, ...]]]()
    for item in reviews.list(state="merged", limit=MOST_MERGED):
        if item.merged_into in wanted:
            found.setdefault(item.merged_into, []).append(reviews.masked(item).item.context.messages)
    return found


def _corrected(lessons: Lessons) -> Iterator[ChatRow]:
    """Rows of items whose answer was another one; without pairs, all."""
    wrong = {pair.source.file for pair in lessons.pairs}
    for row in lessons.rows:
        if not wrong or row.source.file in wrong:
            yield row


def _asked(messages: Sequence[Message]) -> tuple[tuple[str, str], ...]:
    """All before the last answer."""
    return tuple((each.role, each.content) for each in messages[:-1])


def _turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": each.role, "content": each.content} for each in messages]


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
