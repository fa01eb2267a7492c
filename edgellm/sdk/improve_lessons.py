"""What a candidate learns from: accepted items of the queue, and what the live version learnt before; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgellm.errors import InvalidInput
from edgellm.sdk.improve_run import BEFORE, CORRECTED, MATERIAL, Objective
from edgellm.sdk.lessons import SOURCE
from edgellm.types import Message

if TYPE_CHECKING:  # what reads examples is imported when lessons are
    from edgellm.data.rows import ChatRow, Row
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


def items_in(lessons: Lessons, objective: Objective = "sft") -> tuple[str, ...]:
    """Ids of the items that an objective learns from, in their order, each once."""
    sources = [each.source.file for each in getattr(lessons, MATERIAL[objective])]
    return tuple(dict.fromkeys(found for found in map(item_of, sources) if found))


@dataclass(frozen=True, slots=True)
class Chosen:
    """How a candidate is to learn, and why."""

    objective: Objective
    why: str


def objective_for(lessons: Lessons, objective: Objective = "sft") -> Chosen:
    """How a candidate learns from these lessons.

    Raises: InvalidInput where there is nothing of what the objective learns from, or too little.
    """
    if objective == "sft" and lessons.rows:
        return Chosen("sft", f"{_count(len(lessons.rows), 'answer')} to imitate: new facts are taught with examples")
    if not (lessons.rows or lessons.pairs or lessons.thumbs):
        message = "Nothing in the queue was accepted that could be learnt from."
        raise InvalidInput(message, hint="Correct answers and accept them in the review queue first.", field="lessons")
    if objective == "sft":
        message = f"The queue holds {len(lessons.thumbs)} judged answers, and none that could be imitated."
        raise InvalidInput(message, hint="Correct some of them.", field="lessons")
    usable = _usable(lessons, objective)
    what = (
        "pairs of a better and a worse answer" if MATERIAL[objective] == "pairs" else "answers that were judged alone"
    )
    return Chosen(objective, f"{usable} {what}")


def _usable(lessons: Lessons, objective: Objective) -> int:
    """How many judgements can be learnt from, by the rules of the training. Raises: InvalidInput for too few."""
    from edgellm.data.preference_checks import divided, sifted
    from edgellm.data.preferences import FEWEST, FEWEST_OF_A_LABEL

    material = MATERIAL[objective]
    kept, _ = sifted(getattr(lessons, material))
    good = sum(each.is_good for each in kept)
    hint = f"Correct, rate and accept more answers: at least {FEWEST} are needed"
    if material == "thumbs":
        hint += f", {FEWEST_OF_A_LABEL} good and {FEWEST_OF_A_LABEL} bad ones among them"
    is_one_sided = material == "thumbs" and min(good, len(kept) - good) < FEWEST_OF_A_LABEL
    if len(kept) < FEWEST or is_one_sided:
        of_which = f", {good} good and {len(kept) - good} bad" if material == "thumbs" else ""
        message = f"{len(kept)} {material} of the queue can be learnt from by {objective}{of_which}."
        raise InvalidInput(message, hint=f"{hint}.", field="lessons")
    if not divided(kept)[1]:
        message = (
            f"Nearly all {material} of the queue are about the same question: none could be held out to measure on."
        )
        raise InvalidInput(message, hint="Judge answers to other questions, too.", field="lessons")
    return len(kept)


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


Cases = list[dict[str, Any]]


def parted(cases: Cases, known: Collection[str]) -> tuple[Cases, Cases]:
    """The cases of items that the live version has not learnt, and those of the `known` ones."""
    new = [case for case in cases if case["group"] not in known]
    return new, [case for case in cases if case["group"] in known]


def rules_for(new: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]]) -> str:
    """What must hold for the corrected questions, as tables of a policy.

    `new`: cases of corrections that the live version has not learnt. `before`: of those that it has: asked together
    with them they would hide what became of the new ones.
    """
    rules = [(CORRECTED, 'change = "better"')] if _groups(new) >= FEWEST_TO_SHOW else []
    if new and not rules:
        rules = [(CORRECTED, "at_least = 0.5"), (CORRECTED, 'change = "not worse"')]
    if before:
        rules.append((BEFORE, 'change = "not worse"'))
    return "".join(f'\n[[must]]\nsuite = "{suite}"\n{wanted}\n' for suite, wanted in rules)


def _groups(cases: Sequence[Mapping[str, Any]]) -> int:
    return len({case["group"] for case in cases})


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
