"""The blind comparison in a terminal: two answers at a time, single keys, no names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgellm.cli.prompt import checked_text
from edgellm.cli.review import ENDS, read_key
from edgellm.cli.style import bold, dim, good
from edgellm.cli.world import World
from edgellm.errors import InvalidInput

if TYPE_CHECKING:
    from edgellm.evals.blind import Choice, Shown
    from edgellm.sdk.blind import Blind

KEYS = "a A is better   b B is better   t tie   x both bad   n note   u undo   q quit"
CHOICE_OF: dict[str, tuple[Choice, str]] = {
    "a": ("left", "A"),
    "b": ("right", "B"),
    "t": ("tie", "tie"),
    "x": ("both bad", "both bad"),
}


class Rating:
    """Shows what is not yet judged and keeps each vote at once."""

    def __init__(self, world: World, blind: Blind) -> None:
        self._world, self._blind = world, blind
        self._notes: dict[str, str] = {}
        """On the pair that is shown; kept with its vote."""

    def run(self) -> None:
        """Ask about every pair, until all are judged or the person quits. Raises: what `vote` raises."""
        while (pair := self._blind.next()) is not None:
            self._show(pair)
            if not self._act(pair):
                return

    def _show(self, pair: Shown) -> None:
        out, self._notes = self._world.out, {}
        out.line()
        out.line(bold(f"{pair.done + 1} of {pair.total}"), "  ", dim(pair.suite))
        out.hanging((bold("Q"), "  "), pair.question)
        out.hanging((bold("A"), "  "), pair.left or "(no text)")
        out.hanging((bold("B"), "  "), pair.right or "(no text)")
        out.line(dim(KEYS))

    def _act(self, pair: Shown) -> bool:
        """Do what keys say until the pair is judged or a vote taken back; False ends it."""
        while (key := read_key(self._world.stdin)) not in ENDS:
            if key in CHOICE_OF:
                choice, words = CHOICE_OF[key]
                self._blind.vote(pair.id, choice, self._notes)
                self._world.out.line(good(words))
                return True
            if key == "n":
                self._note()
            if key == "u":
                if self._blind.undo() is not None:
                    return True
                self._world.err.note("There is nothing to undo.")
        return False

    def _note(self) -> None:
        """Ask for a line on each rubric; an empty one leaves it."""
        from edgellm.evals.blind import RUBRICS
        from edgellm.sdk.blind import checked_notes

        found = dict(self._notes)
        for rubric, meaning in RUBRICS.items():
            self._world.err.write(f"{rubric}: {meaning}? (Enter leaves it) ")
            try:
                line = checked_text(self._world.stdin.readline().strip(), "The note")
                found = checked_notes({**found, rubric: line or found.get(rubric, "")})
            except InvalidInput as error:
                self._world.err.warn(str(error))
        self._notes = found
        self._world.err.note("It is kept with your vote.")
