"""The review of drafts in a terminal: one pair at a time, single keys."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from edgellm.cli.prompt import checked_text
from edgellm.cli.style import bold, dim, good, warn
from edgellm.cli.units import count
from edgellm.cli.world import World
from edgellm.errors import InvalidInput

if TYPE_CHECKING:
    from edgellm.data.drafts import DraftSet, Pair
    from edgellm.sdk.facade import EdgeLLM

KEYS = "a accept   e edit   r reject   u undo   q quit"
ENDS = ("q", "\x04", "")
"""Quit, Ctrl+D, and the end of the input."""
REST_S = 0.05
"""The rest of what a function key sends comes within this time."""


class Review:
    """Shows what is pending and keeps each decision at once."""

    def __init__(self, world: World, edge: EdgeLLM, drafts: DraftSet) -> None:
        self._world, self._edge, self._name = world, edge, drafts.name
        self._pending = [pair for pair in drafts.supported if pair.status == "pending"]
        self._at = 0
        """Which of them is shown; those before it were decided now."""

    def run(self) -> None:
        """Ask about every pending pair, until all are decided or the user quits. Raises: what `decide` raises."""
        while self._at < len(self._pending):
            self._show(self._pending[self._at])
            if not self._act():
                break
        self._conclude()

    def _show(self, pair: Pair) -> None:
        out, drafted = self._world.out, pair.drafted
        said = "" if drafted.model_says is None else ", the model says yes"
        where = f"{pair.passage.source}  supported by its words{said}"
        out.line()
        out.line(bold(f"{self._at + 1} of {len(self._pending)}"), "  ", dim(where))
        if pair.passage.title:
            out.hanging((), bold(pair.passage.title))
        out.hanging((), dim(pair.passage.text))
        out.hanging((bold("Q"), "  "), pair.question)
        out.hanging((bold("A"), "  "), pair.answer)
        out.line(dim(KEYS))

    def _act(self) -> bool:
        """Do what keys say until a pair is decided or undone; False ends the review."""
        pair = self._pending[self._at]
        while (key := read_key(self._world.stdin)) not in ENDS:
            if key == "a":
                return self._decide(pair, "accepted")
            if key == "r":
                return self._decide(pair, "rejected")
            if key == "e" and self._edit(pair):
                return True
            if key == "u" and self._undo():
                return True
        return False

    def _decide(self, pair: Pair, status: str, question: str = "", answer: str = "") -> bool:
        self._edge.drafts.decide(self._name, pair.id, status, question=question, answer=answer)
        self._world.out.line((warn if status == "rejected" else good)(status))
        self._at += 1
        return True

    def _edit(self, pair: Pair) -> bool:
        """Ask for other words; an empty line keeps the old ones. False when they are refused."""
        try:
            question = self._line("question (Enter keeps it): ") or pair.question
            answer = self._line("answer (Enter keeps it): ") or pair.answer
            if (question, answer) == (pair.question, pair.answer):
                return self._decide(pair, "accepted")
            return self._decide(pair, "edited", question, answer)
        except InvalidInput as error:
            self._world.err.warn(str(error))
            return False

    def _line(self, prompt: str) -> str:
        self._world.err.write(prompt)
        return checked_text(self._world.stdin.readline().strip(), "This")

    def _undo(self) -> bool:
        """Make the last decision of this review pending again; False when there is none."""
        if self._at == 0:
            self._world.err.note("There is nothing to undo.")
            return False
        self._at -= 1
        self._edge.drafts.decide(self._name, self._pending[self._at].id, "pending")
        return True

    def _conclude(self) -> None:
        counts = self._edge.drafts.open(self._name).counts
        decided = {status.value: number for status, number in counts.statuses.items() if number}
        self._world.out.line()
        self._world.out.line(", ".join(f"{number:,} {status}" for status, number in decided.items()) or "no pairs")
        if counts.usable:
            pairs = count(counts.usable, "pair")
            self._world.err.note(f"Teach {pairs}: edgellm train run --data drafts:{self._name} --name {self._name}")


def read_key(stdin: TextIO) -> str:
    """One key, without Enter and unseen; empty at the end of the input. What a function key sends counts as one."""
    try:
        descriptor = stdin.fileno()
    except OSError:  # no terminal behind it: a test
        return stdin.read(1)
    with _keys_at_once(descriptor):
        key = os.read(descriptor, 1)
        if key == b"\x1b":
            while select.select([descriptor], [], [], REST_S)[0] and os.read(descriptor, 16):
                continue
    return key.decode("ascii", "replace")


@contextmanager
def _keys_at_once(descriptor: int) -> Iterator[None]:
    import termios  # deferred, both: only a review needs them
    import tty

    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor, termios.TCSADRAIN)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
