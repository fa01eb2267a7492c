"""Blind comparison: people choose between two answers of a run without knowing whose they are."""

from __future__ import annotations

import csv
import getpass
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec

from edgellm.errors import InvalidInput, NotFound
from edgellm.evals.blind import CHOICES, RUBRICS, Answers, Choice, Pair, Shown, answer_of, pairs_of, sides
from edgellm.evals.preference import NOBODY, People, Preferred, people, preferred
from edgellm.evals.run import Run, read_results
from edgellm.evals.votes import TakenBack, Vote, VoteFile, of_pairs
from edgellm.paths import as_text
from edgellm.safetext import clean_line

LONGEST_NOTE, LONGEST_NAME = 2000, 64
FORMS = ("jsonl", "csv")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What begins a formula in a spreadsheet."""


class Blind:
    """Two subjects of a run, judged by one person. Thread-safe. Errors: DataRejected, DiskFull besides those named."""

    def __init__(self, votes: VoteFile, pairs: Sequence[Pair], judge: str) -> None:
        self.judge = judge
        """Name of the person."""
        self._votes, self._seed = votes, votes.seed()
        self._pairs = pairs
        self._known = {pair.id: pair for pair in pairs if not pair.is_same}

    def next(self) -> Shown | None:
        """The first pair that this person has not judged; None when there is none left."""
        done = {vote.pair for vote in self._own()}
        pair = next((pair for pair in self._known.values() if pair.id not in done), None)
        if pair is None:
            return None
        left, right = sides(pair, self._seed, self.judge)
        return Shown(
            id=pair.id,
            suite=pair.suite,
            question=pair.question,
            left=answer_of(pair, left),
            right=answer_of(pair, right),
            done=len(done),
            total=len(self._known),
        )

    def vote(self, pair_id: str, choice: Choice, notes: Mapping[str, str] | None = None) -> Vote:
        """Keep what the person prefers; it is on disk when this returns. Judging a pair again replaces the vote.

        `notes`: by rubric, whose names `RUBRICS` has. Raises: NotFound, InvalidInput.
        """
        pair = self._known.get(pair_id)
        if pair is None:
            raise NotFound(f"There is no pair {pair_id!r} to judge.", hint="Ask for the next one.", id=pair_id)
        if choice not in CHOICES:
            message = f"{choice!r} is no choice."
            raise InvalidInput(message, hint=f"One of: {', '.join(CHOICES)}.", field="choice")
        left, right = sides(pair, self._seed, self.judge)
        vote = Vote(
            pair=pair.id,
            suite=pair.suite,
            case_id=pair.case_id,
            sample=pair.sample,
            left=left,
            right=right,
            choice=choice,
            judge=self.judge,
            at=time.time(),
            notes=checked_notes(notes or {}),
        )
        self._votes.add(vote)
        return vote

    def undo(self) -> str | None:
        """Take back the person's last vote that stands. Returns: the pair's id; None when there is no vote."""
        own = self._own()
        if not own:
            return None
        self._votes.add(TakenBack(pair=own[-1].pair, judge=self.judge, at=time.time()))
        return own[-1].pair

    def result(self) -> Preferred:
        """What all who judged these two subjects preferred. It says which is which: look at the end."""
        return preferred(self._pairs, self._votes.standing())

    def _own(self) -> list[Vote]:
        return [vote for vote in of_pairs(self._votes.standing(), set(self._known)) if vote.judge == self.judge]


@dataclass(frozen=True, slots=True)
class Judged:
    """A run with its votes."""

    folder: Path
    run: Run

    @property
    def votes(self) -> VoteFile:
        """Where its votes are."""
        return VoteFile(self.folder)

    def blind(self, subject: str | None, baseline: str | None, judge: str | None) -> Blind:
        """Two of its subjects, the judged one and its first baseline by default. Raises: InvalidInput."""
        names = [each.name for each in self.run.subjects]
        if len(names) < 2:
            message = f"The run {self.run.id!r} has one subject, and nothing to compare it with."
            raise InvalidInput(message, hint="Evaluate with a baseline.", field="baseline")
        ours = subject if subject is not None else next(name for name in names if name != baseline)
        theirs = baseline if baseline is not None else next(name for name in names if name != ours)
        for name, what in ((ours, "subject"), (theirs, "baseline")):
            if name not in names:
                hint = f"It has: {', '.join(names)}."
                raise InvalidInput(f"The run {self.run.id!r} has no subject {name!r}.", hint=hint, field=what)
        if ours == theirs:
            raise InvalidInput("A subject cannot be compared with itself.", field="baseline")
        pairs = self._pairs(names.index(ours), names.index(theirs), self.answers())
        return Blind(self.votes, pairs, judge_name(judge))

    def people(self) -> People:
        """All votes, summed up."""
        votes = self.votes.standing()
        if not votes:
            return NOBODY
        return people(self._every_pair(), votes, self.run.subjects[1].name)

    def exported(self, form: str) -> str:
        """Every vote that stands with both answers and their names, one a line. Raises: InvalidInput."""
        if form not in FORMS:
            raise InvalidInput(f"{form!r} is no form of votes.", hint=f"Known: {', '.join(FORMS)}.", field="form")
        rows = list(self._rows())
        if form == "jsonl":
            return "".join(msgspec.json.encode(row).decode() + "\n" for row in rows)
        return _csv(rows)

    def answers(self) -> list[Answers]:
        """Every result by subject, then suite: what a report is made of."""
        suites = [each.name for each in self.run.suites]
        return [
            {suite: read_results(self.folder, suite, number) for suite in suites}
            for number in range(len(self.run.subjects))
        ]

    def _every_pair(self) -> list[list[Pair]]:
        every = self.answers()
        return [self._pairs(one, other, every) for one, other in combinations(range(len(every)), 2)]

    def _pairs(self, ours: int, theirs: int, every: Sequence[Answers]) -> list[Pair]:
        names = [each.name for each in self.run.subjects]
        return pairs_of(names[ours], names[theirs], every[ours], every[theirs], self.votes.seed())

    def _rows(self) -> Iterator[dict[str, Any]]:
        votes = self.votes.standing()
        known = {pair.id: pair for pairs in self._every_pair() for pair in pairs} if votes else {}
        for vote in votes:
            if pair := known.get(vote.pair):
                yield {
                    "run": self.run.id,
                    "suite": vote.suite,
                    "case": vote.case_id,
                    "sample": vote.sample,
                    "judge": vote.judge,
                    "at": datetime.fromtimestamp(vote.at, UTC).isoformat(timespec="seconds"),
                    "choice": vote.choice,
                    "preferred": vote.preferred,
                    "left": vote.left,
                    "right": vote.right,
                    "question": pair.question,
                    "left_answer": answer_of(pair, vote.left),
                    "right_answer": answer_of(pair, vote.right),
                    "notes": dict(vote.notes),
                }


def judge_name(name: str | None, account: Callable[[], str] = getpass.getuser) -> str:
    """The name a person judges under; None takes that of the account. Raises: InvalidInput."""
    found = clean_line(as_text(_account(account) if name is None else name)).strip()
    if not 0 < len(found) <= LONGEST_NAME:
        message = f"A person's name has 1 to {LONGEST_NAME} characters, and {name!r} does not."
        raise InvalidInput(message, hint="Choose another one.", field="judge")
    return found


def _account(account: Callable[[], str]) -> str:
    try:
        return account()
    except (OSError, KeyError, ImportError) as error:  # an account without a name, as in some containers
        raise InvalidInput("This account has no name.", hint="Say who judges.", field="judge") from error


def checked_notes(notes: Mapping[str, str]) -> dict[str, str]:
    """Notes without empty ones. Raises: InvalidInput for a rubric that there is not, or a text that is too long."""
    for rubric, text in notes.items():
        if rubric not in RUBRICS:
            near = get_close_matches(rubric, RUBRICS, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(RUBRICS)}."
            raise InvalidInput(f"There is no rubric {rubric!r}.", hint=hint, field="notes")
        if len(text) > LONGEST_NOTE:
            message = f"The note on {rubric} has {len(text):,} characters; at most {LONGEST_NOTE:,} are kept."
            raise InvalidInput(message, hint="Shorten it.", field="notes")
    return {rubric: as_text(text).strip() for rubric, text in notes.items() if text.strip()}


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """With a column for each rubric; what a spreadsheet would compute begins with an apostrophe, and is text."""
    columns = [
        *("run", "suite", "case", "sample", "judge", "at", "choice", "preferred", "left", "right"),
        *("question", "left_answer", "right_answer"),
    ]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*columns, *(f"note_{rubric}" for rubric in RUBRICS)])
    for row in rows:
        notes = [row["notes"].get(rubric, "") for rubric in RUBRICS]
        writer.writerow([_cell(str(value)) for value in (*(row[name] for name in columns), *notes)])
    return out.getvalue()


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
