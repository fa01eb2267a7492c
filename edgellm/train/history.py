"""What a run has said in all its attempts, so that a resumed one is shown from its first step.

The process that trains keeps it: who listens may be steps behind when both are killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgellm.train.spec import Stepped, Validated, say, understand


class History:
    """A file of sayings as JSON lines, appended to; a step that was done again counts as it was last."""

    def __init__(self, run: Path) -> None:
        """Of the run in this folder."""
        self._path = run / "history.jsonl"

    def keep(self, saying: Stepped | Validated) -> None:
        """Append one. Raises: OSError."""
        with self._path.open("ab") as file:
            file.write(say(saying))

    def until(self, step: int) -> list[Stepped | Validated]:
        """Everything up to a step, in order."""
        found = {(saying.step, type(saying)): saying for saying in self._all() if saying.step <= step}
        return sorted(found.values(), key=lambda saying: saying.step)

    def _all(self) -> Iterator[Stepped | Validated]:
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                saying = understand(line)
            except msgspec.MsgspecError:  # cut by a kill
                continue
            if isinstance(saying, Stepped | Validated):
                yield saying
