"""A file of judged answers: read, cleaned, without contradictions, and enough of them to learn from."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

from edgellm.data.clean import clean
from edgellm.data.detect import opened
from edgellm.data.json_reader import read_objects
from edgellm.data.lines import Lines, rejected
from edgellm.data.personal import PersonalData
from edgellm.data.preference_checks import divided, sifted
from edgellm.data.preference_fields import Preference, is_known, preference_from
from edgellm.data.report import by_reason
from edgellm.data.rows import Dropped, Example, Reason, Source, dropped
from edgellm.data.rules import Rules
from edgellm.errors import DataRejected
from edgellm.paths import as_text
from edgellm.types import Message

Kind = Literal["pairs", "judgements"]
"""Two answers of which one is better; or answers judged alone, for which a pair counts as a good and a bad one."""
FEWEST = 20
"""Fewer pairs or judgements say more about themselves than about what is preferred."""
FEWEST_OF_A_LABEL = 5
"""Of single judgements there must be so many good ones and so many bad ones."""
PAIR = '{"prompt": "...", "chosen": "...", "rejected": "..."}'
JUDGEMENT = '{"prompt": "...", "completion": "...", "label": true}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What a file holds."""

    file: str
    """The path as it was given."""
    sha256: str
    train: tuple[Preference, ...]
    valid: tuple[Preference, ...]
    """Held out; about other questions than those of `train`."""
    dropped: tuple[Dropped, ...]

    @property
    def left_out(self) -> dict[Reason, int]:
        """How many rows were dropped for each reason."""
        return by_reason(self.dropped)


def read_preferences(path: Path, kind: Kind) -> Preferences:
    """A JSONL file of judged answers; personal data is masked as in a dataset.

    Raises: DataRejected naming file and line: no text, other fields, or too few rows that can be used; MissingExtra.
    """
    file = as_text(path)
    with opened(path, file) as handle:
        digest = _Digest(handle)
        found = list(_read(Lines(digest, file), file, kind))  # type: ignore[arg-type]  # all that lines need
    drops = [each for each in found if isinstance(each, Dropped)]
    kept, more = sifted([each for each in found if isinstance(each, Preference)])
    drops = sorted([*drops, *more], key=lambda drop: drop.source.line)
    train, valid = divided(kept)
    _check(file, kind, kept, valid, drops)
    return Preferences(
        file=file, sha256=digest.hexdigest(), train=tuple(train), valid=tuple(valid), dropped=tuple(drops)
    )


class _Digest:
    """A file that is hashed while its lines are read."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self._hash = hashlib.sha256()

    def readline(self, limit: int) -> bytes:
        """The next line."""
        line = self._handle.readline(limit)
        self._hash.update(line)
        return line

    def hexdigest(self) -> str:
        """Of all that was read."""
        return self._hash.hexdigest()


def _read(lines: Lines, file: str, kind: Kind) -> Iterator[Preference | Dropped]:
    treat = _Treatment()
    is_first = True
    for source, row, problem in read_objects(lines, file):
        if is_first:
            _check_first(row, problem, source, kind)
            is_first = False
        if row is None:
            yield dropped(source, Reason.MALFORMED, problem)
        elif not is_known(row):
            yield dropped(source, Reason.MALFORMED, "it has neither chosen and rejected nor a label")
        else:
            yield from map(treat, _of_kind(preference_from(row, source), kind))


def _check_first(row: dict[str, Any] | None, problem: str, source: Source, kind: Kind) -> None:
    """Raises: DataRejected for a file of something else."""
    if row is None:
        raise rejected(source.file, source.line, f"is no judged answer: {problem}", f"Write {PAIR}")
    wanted = PAIR if kind == "pairs" else JUDGEMENT
    if not is_known(row):
        names = ", ".join(repr(name[:40]) for name in list(row)[:12])
        found = f"has neither chosen and rejected nor a label. Fields found: {names or 'none'}"
        raise rejected(source.file, source.line, found, f"A line is: {wanted}")
    if kind == "pairs" and "label" in row:
        found = "judges a single answer; pairs of answers are needed"
        raise rejected(source.file, source.line, found, f"Learn from it with the objective kto, or write {PAIR}")


def _of_kind(found: Preference | Dropped, kind: Kind) -> Iterable[Preference | Dropped]:
    if isinstance(found, Dropped):
        return [found]
    if kind == "pairs" and found.rejected is None:
        return [dropped(found.source, Reason.MALFORMED, "it judges a single answer; pairs of answers are needed")]
    if kind == "judgements" and found.rejected is not None:
        alone = replace(found, rejected=None)
        return [alone, replace(alone, answer=found.rejected, is_good=False)]
    return [found]


class _Treatment:
    """What happens to each row alone: texts are normalised, personal data masked."""

    def __init__(self) -> None:
        self._rules = Rules(short_answers="keep")  # that one word was better than another may be the point
        self._personal = PersonalData(self._rules)

    def __call__(self, row: Preference | Dropped) -> Preference | Dropped:
        if isinstance(row, Dropped):
            return row
        treated = self._conversation(row, row.answer)
        if isinstance(treated, Dropped):
            return treated
        *prompt, answer = treated.messages
        row = replace(row, prompt=tuple(prompt), answer=answer.content)
        if row.rejected is None:
            return row
        worse = self._conversation(row, row.rejected)
        return worse if isinstance(worse, Dropped) else replace(row, rejected=worse.messages[-1].content)

    def _conversation(self, row: Preference, answer: str) -> Example | Dropped:
        whole = Example(row.source, (*row.prompt, Message(role="assistant", content=answer)))
        cleaned = clean(whole, self._rules)
        return cleaned if isinstance(cleaned, Dropped) else self._personal.treat(cleaned)


def _check(
    file: str, kind: Kind, kept: Sequence[Preference], valid: Sequence[Preference], drops: Sequence[Dropped]
) -> None:
    """Raises: DataRejected when too little is left."""
    labels = Counter(row.is_good for row in kept)
    if len(kept) < FEWEST:
        problem = f"{len(kept)} {kind} can be used; at least {FEWEST} are needed to learn what is preferred"
    elif kind == "judgements" and min(labels[True], labels[False]) < FEWEST_OF_A_LABEL:
        problem = (
            f"{labels[True]} answers are judged good and {labels[False]} bad; at least {FEWEST_OF_A_LABEL} of each "
            "are needed"
        )
    elif not valid:
        problem = "nearly all rows ask the same question; some about another one are needed to measure on"
    else:
        return
    reasons = ", ".join(f"{count} {reason}" for reason, count in by_reason(drops).items())
    first = f" (the first: {drops[0].source}: {drops[0].detail})" if drops else ""
    hint = f"Left out were {reasons}{first}." if drops else "Collect more of them."
    raise DataRejected(f"{file}: {problem}.", hint=hint, file=file)
