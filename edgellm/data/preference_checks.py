"""Judged answers that say nothing, say it twice, or contradict each other; and which are held out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from edgellm.data.duplicates import Print, Signature, likeness, print_of, signature
from edgellm.data.preference_fields import Preference
from edgellm.data.rows import Dropped, Reason, Source, TextRow, content_id, dropped

SIMILARITY = 0.8
"""Jaccard similarity from which two answers are nearly the same."""
HELD_OUT_SHARE = 0.15
FEWEST_HELD_OUT = 5


def sifted(rows: Sequence[Preference]) -> tuple[list[Preference], list[Dropped]]:
    """The rows that can be learnt from together, and the others with their reasons, each in the order of the rows.

    Of rows that contradict each other none is kept: nothing says which of them is right.
    """
    drops: dict[int, Dropped] = {}
    for find in (_without_difference, _contradictions, _circles, _repeats, _near):
        left = [at for at in range(len(rows)) if at not in drops]
        drops |= {left[at]: drop for at, drop in find([rows[at] for at in left])}
    return [row for at, row in enumerate(rows) if at not in drops], [drops[at] for at in sorted(drops)]


def divided(rows: Sequence[Preference]) -> tuple[list[Preference], list[Preference]]:
    """Rows to learn from, and rows to measure on, which ask other questions.

    A hash of the prompt decides, so that the same rows are divided in the same way. At most a third is held out.
    """
    wanted = max(FEWEST_HELD_OUT, round(HELD_OUT_SHARE * len(rows)))
    by_prompt: dict[str, list[Preference]] = {}
    for row in rows:
        by_prompt.setdefault(_prompt_id(row), []).append(row)
    held_out: set[str] = set()
    count = 0
    for prompt in sorted(by_prompt):
        if count < wanted and count + len(by_prompt[prompt]) <= len(rows) // 3:
            held_out.add(prompt)
            count += len(by_prompt[prompt])
    return [row for row in rows if _prompt_id(row) not in held_out], [
        row for row in rows if _prompt_id(row) in held_out
    ]


Found = Iterator[tuple[int, Dropped]]
"""Places of rows, and why each is dropped."""


def _without_difference(rows: Sequence[Preference]) -> Found:
    for at, row in enumerate(rows):
        if row.answer == row.rejected:
            yield at, dropped(row.source, Reason.NO_DIFFERENCE, "chosen and rejected are the same text")


def _contradictions(rows: Sequence[Preference]) -> Found:
    said: dict[object, Source] = {}
    for row in rows:
        said.setdefault(_meaning(row), row.source)
    for at, row in enumerate(rows):
        other = said.get(_meaning(_opposite(row)))
        if other is not None:
            yield at, dropped(row.source, Reason.CONTRADICTION, f"{other} says the opposite")


def _circles(rows: Sequence[Preference]) -> Found:
    """Pairs that go round: one answer is better than a second, that than a third, and the third than the first.

    Each of them may be right, and all cannot be.
    """
    places: dict[object, int] = {}
    ways = {
        at: tuple(places.setdefault((row.prompt, text), len(places)) for text in (row.answer, row.rejected))
        for at, row in enumerate(rows)
        if row.rejected is not None
    }
    circle = _circle_of(len(places), list(ways.values()))
    round_ = {at: way for at, way in ways.items() if circle[way[0]] == circle[way[1]]}
    better = {way[0]: rows[at].source for at, way in round_.items()}
    for at, (_, worse) in round_.items():
        yield (
            at,
            dropped(rows[at].source, Reason.CONTRADICTION, f"it goes round with {better[worse]}: none is the best"),
        )


def _circle_of(places: int, ways: Sequence[tuple[int, ...]]) -> list[int]:
    """For each place a number: two have the same when each can be reached from the other (Kosaraju's components).

    In time proportional to places and ways, and without recursion: a chain may be as long as a file.
    """
    after, before = [list[int]() for _ in range(places)], [list[int]() for _ in range(places)]
    for begin, end in ways:
        after[begin].append(end)
        before[end].append(begin)
    left = list[int]()
    seen = [False] * places
    for start in range(places):
        left += _walked(start, after, seen)
    circle, seen = [0] * places, [False] * places
    for number, start in enumerate(reversed(left)):
        for place in _walked(start, before, seen):
            circle[place] = number
    return circle


def _walked(start: int, after: Sequence[Sequence[int]], seen: list[bool]) -> list[int]:
    """The places not seen before that are reached from a place, in the order in which a walk in depth leaves them."""
    if seen[start]:
        return []
    seen[start] = True
    left, path = list[int](), [(start, iter(after[start]))]
    while path:
        place, ways_on = path[-1]
        found = next((each for each in ways_on if not seen[each]), None)
        if found is None:
            left.append(place)
            path.pop()
        else:
            seen[found] = True
            path.append((found, iter(after[found])))
    return left


def _repeats(rows: Sequence[Preference]) -> Found:
    first: dict[object, Source] = {}
    for at, row in enumerate(rows):
        source = first.setdefault(_meaning(row), row.source)
        if source is not row.source:
            yield at, dropped(row.source, Reason.EXACT_DUPLICATE, f"same as {source}")


def _near(rows: Sequence[Preference]) -> Found:
    """Rows whose texts are nearly the same as a whole, by how their answers are alike."""
    found = likeness([_print(row) for row in rows], SIMILARITY)
    for later, earlier in found.repeats.items():
        one, other = rows[later], rows[earlier]
        straight, crossed = _alike(one, other), _alike(_opposite(one), other)
        if max(straight, crossed) < SIMILARITY:
            continue
        if straight >= crossed:
            yield later, dropped(one.source, Reason.NEAR_DUPLICATE, f"nearly the same as {other.source}")
        else:
            yield later, dropped(one.source, Reason.CONTRADICTION, f"{other.source} says nearly the opposite")
            yield earlier, dropped(other.source, Reason.CONTRADICTION, f"{one.source} says nearly the opposite")


def _meaning(row: Preference) -> tuple[object, ...]:
    return row.prompt, row.answer, row.rejected, row.is_good


def _opposite(row: Preference) -> Preference:
    if row.rejected is None:
        return replace(row, is_good=not row.is_good)
    return replace(row, answer=row.rejected, rejected=row.answer)


def _alike(one: Preference, other: Preference) -> float:
    """Similarity of the answers that were judged the same way, the lesser one of two."""
    if one.rejected is None or other.rejected is None:
        return _similarity(one.answer, other.answer) if one.is_good == other.is_good else 0.0
    return min(_similarity(one.answer, other.answer), _similarity(one.rejected, other.rejected))


def _similarity(one: str, other: str) -> float:
    """Estimated Jaccard similarity."""
    same: Signature = signature(one) == signature(other)
    return float(same.mean())


def _print(row: Preference) -> Print:
    """Of prompt and answers together; two rows of which one is good and one bad never repeat each other."""
    asked = [message.content for message in row.prompt if message.role != "system"]
    found = print_of(TextRow("", "\n".join([*asked, row.answer, row.rejected or ""]), row.source))
    return replace(found, prompt=_prompt_id(row), facts=content_id([found.facts, row.is_good]))


def _prompt_id(row: Preference) -> str:
    return content_id([(message.role, message.content) for message in row.prompt])
