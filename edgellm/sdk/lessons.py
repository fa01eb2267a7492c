"""What accepted items of the review queue teach: examples, pairs and thumbs, without contradictions; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from edgellm.safetext import normalised
from edgellm.store import ReviewItem
from edgellm.types import Message

if TYPE_CHECKING:  # what reads examples is imported when lessons are
    from edgellm.data.preference_fields import Preference
    from edgellm.data.rows import ChatRow, Source

SOURCE = "review "
"""What the source of a row from the queue begins with; its item's id follows."""
Why = Literal["two_answers", "up_and_down", "tools"]
_SAYS: Mapping[Why, str] = {
    "two_answers": "The same question was accepted with another answer.",
    "up_and_down": "The same answer was called good and bad.",
    "tools": "Its conversation holds calls of tools, which examples cannot hold.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An accepted item that is not learnt from, until a reviewer decides again."""

    id: str
    why: Why
    others: tuple[str, ...]
    """Ids of the items that say otherwise."""
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What one tenant's accepted items teach, personal data masked."""

    tenant: str
    rows: tuple[ChatRow, ...] = ()
    """Conversations to imitate."""
    pairs: tuple[Preference, ...] = ()
    """Two answers of which one is better."""
    thumbs: tuple[Preference, ...] = ()
    """Answers that were judged alone."""
    held: tuple[Held, ...] = ()
    since: float | None = None
    """Only what was decided later than this (seconds since the epoch); None: everything."""
    until: float | None = None
    """When the latest of it was decided: `since` of the next time; None where there was nothing."""


@dataclass(frozen=True, slots=True)
class _Taught:
    """One item, taken apart."""

    item: ReviewItem
    prompt: tuple[Message, ...]
    good: tuple[str, ...]
    """What should be answered; at most one."""
    bad: tuple[str, ...]

    @property
    def question(self) -> tuple[tuple[str, str], ...]:
        """What two items have in common that ask the same."""
        return tuple((message.role, _plain(message.content)) for message in self.prompt)


def lessons_from(items: Sequence[ReviewItem], tenant: str, since: float | None = None) -> Lessons:
    """What accepted items teach. `items`: all of the tenant's, masked; contradictions are sought among all of them.

    Rows, pairs, thumbs and what is held are those of items that were decided after `since`, the earliest first. What
    several items teach alike is there once.
    """
    ordered = sorted(items, key=lambda item: item.decided_at or 0.0)
    taught = [_taught(item) for item in ordered]
    held = {each.id: each for each in _held(taught)}
    new = [each for each in taught if since is None or (each.item.decided_at or 0.0) > since]
    kept = [each for each in new if each.item.id not in held]
    instead = _instead([each for each in taught if each.item.id not in held])
    return Lessons(
        tenant=tenant,
        rows=_rows_once(row for each in kept for row in _rows(each, instead)),
        pairs=_judged_once(pair for each in kept for pair in _pairs(each)),
        thumbs=_judged_once(thumb for each in kept for thumb in _thumbs(each)),
        held=tuple(held[each.item.id] for each in new if each.item.id in held),
        since=since,
        until=new[-1].item.decided_at if new else None,
    )


def prompt_of(item: ReviewItem) -> tuple[Message, ...]:
    """The conversation that is to be answered, its last question in the reviewer's words."""
    messages = item.context.messages
    if item.edited_prompt is None:
        return messages
    at = next((at for at in reversed(range(len(messages))) if messages[at].role == "user"), None)
    if at is None:
        return (*messages, Message(role="user", content=item.edited_prompt))
    return (*messages[:at], replace(messages[at], content=item.edited_prompt), *messages[at + 1 :])


def _taught(item: ReviewItem) -> _Taught:
    wanted = (item.wanted or "").strip()
    others = (item.context.answer, item.context.other)
    bad = [each for each in others if each and each.strip() and _plain(each) != _plain(wanted)]
    return _Taught(item, prompt_of(item), (wanted,) if wanted else (), tuple(dict.fromkeys(bad)))


def _held(taught: Sequence[_Taught]) -> Iterator[Held]:
    for each in taught:
        if any(message.role == "tool" or message.tool_calls for message in each.prompt):
            yield Held(id=each.item.id, why="tools", others=(), says=_SAYS["tools"])
    alike: dict[object, list[_Taught]] = defaultdict(list)
    for each in taught:
        alike[each.question].append(each)
    for same in alike.values():
        yield from _contradictions(same)


def _contradictions(same: Sequence[_Taught]) -> Iterator[Held]:
    """Both sides of what does not go together among items that ask the same."""
    against: dict[str, tuple[Why, list[str]]] = {}
    for one, other in combinations(same, 2):
        why = _conflict(one, other)
        if why is not None:
            for item, opponent in ((one.item, other.item), (other.item, one.item)):
                against.setdefault(item.id, (why, []))[1].append(opponent.id)
    for item_id, (why, others) in against.items():
        yield Held(id=item_id, why=why, others=tuple(others), says=_SAYS[why])


def _conflict(one: _Taught, other: _Taught) -> Why | None:
    if _plains(one.good) & _plains(other.bad) or _plains(one.bad) & _plains(other.good):
        return "up_and_down"
    if one.good and other.good and _plains(one.good) != _plains(other.good):
        return "two_answers"
    return None


def _instead(taught: Sequence[_Taught]) -> dict[object, str]:
    """For each answer that was called bad, in its conversation, the better one; empty where nobody said any."""
    found: dict[object, str] = {}
    for each in taught:
        for answer in each.bad:
            found[_place(each.item.context.messages, answer)] = "".join(each.good)
    return found


def _place(before: Sequence[Message], answer: str) -> object:
    return (tuple((message.role, _plain(message.content)) for message in before), _plain(answer))


def _without_bad(prompt: Sequence[Message], instead: Mapping[object, str]) -> Iterator[Message]:
    """The conversation as it can be imitated: every answer of an example is learnt, the earlier ones too.

    An earlier answer that was called bad gives way to the better one; its question goes with it where there is none.
    """
    turns: list[Message] = []
    for at, message in enumerate(prompt):
        better = instead.get(_place(prompt[:at], message.content)) if message.role == "assistant" else None
        if better is None:
            turns.append(message)
        elif better:
            turns.append(replace(message, content=better))
        else:
            while turns and turns[-1].role == "user":
                turns.pop()
    yield from turns


def _rows(taught: _Taught, instead: Mapping[object, str]) -> Iterator[ChatRow]:
    from edgellm.data.rows import ChatRow, Example, row_from

    for answer in taught.good:
        messages = (*_without_bad(taught.prompt, instead), Message(role="assistant", content=answer))
        row = row_from(Example(_source(taught.item), messages))
        assert isinstance(row, ChatRow)  # it has messages
        yield row


def _pairs(taught: _Taught) -> Iterator[Preference]:
    from edgellm.data.preference_fields import Preference

    for answer in taught.good:
        for worse in taught.bad:
            yield Preference(_source(taught.item), taught.prompt, answer, worse)


def _thumbs(taught: _Taught) -> Iterator[Preference]:
    """What a rating says about the answer alone; not of one that the reviewer wrote anew."""
    from edgellm.data.preference_fields import Preference

    item, answer = taught.item, taught.item.context.answer
    if item.rating == 0 or not answer or not answer.strip():
        return
    is_good = item.rating == 1
    if is_good == (_plain(answer) in _plains(taught.good)):
        yield Preference(_source(item), taught.prompt, answer, is_good=is_good)


def _source(item: ReviewItem) -> Source:
    from edgellm.data.rows import Source

    return Source(f"{SOURCE}{item.id}", 1)


def _rows_once(found: Iterable[ChatRow]) -> tuple[ChatRow, ...]:
    """Each content once, by the item that taught it first."""
    kept: dict[str, ChatRow] = {}
    for row in found:
        kept.setdefault(row.id, row)
    return tuple(kept.values())


def _judged_once(found: Iterable[Preference]) -> tuple[Preference, ...]:
    kept: dict[object, Preference] = {}
    for each in found:
        kept.setdefault((each.prompt, each.answer, each.rejected, each.is_good), each)
    return tuple(kept.values())


def _plains(texts: Sequence[str]) -> set[str]:
    return set(map(_plain, texts))


def _plain(text: str) -> str:
    """What does not count as a difference is taken away: case, width of characters, spaces."""
    return " ".join(normalised(text, "NFKC").casefold().split())
