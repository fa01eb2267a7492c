"""Datasets as lines of a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content

from edgellm.safetext import clean_line
from edgellm_tui.render import meter

if TYPE_CHECKING:
    from edgellm.data.dataset import Manifest

NAME_CELLS = 26
COLUMNS = ("Train", "Valid", "Test", "Tokens")
HEAD = Content.styled(f"{'Dataset':<{NAME_CELLS}}" + "".join(f"{name:>9}" for name in COLUMNS), "$foreground 55%")
"""Above the columns."""


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """One dataset of the list."""

    manifest: Manifest

    @property
    def name(self) -> str:
        """What the SDK calls it."""
        return self.manifest.name

    def line(self) -> Content:
        """Name, rows by split, tokens where they were measured: what `HEAD` names."""
        name = Content.styled(clean_line(self.name), "bold").truncate(NAME_CELLS - 1, ellipsis=True)
        gap = " " * (NAME_CELLS - name.cell_length)
        counts = self.manifest.counts.splits
        numbers = [f"{counts.get(split, 0):,}" for split in ("train", "valid", "test")]
        cells = "".join(f"{cell:>9}" for cell in (*numbers, self._tokens()))
        return Content.assemble(name, gap, (cells, "$foreground 75%"))

    def _tokens(self) -> str:
        found = self.manifest.tokens
        return meter.tokens(sum(split.total for split in found.splits.values())) if found else ""
