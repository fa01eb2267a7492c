"""Datasets as lines of a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content

from edgellm.safetext import clean_line
from edgellm_tui.render import meter
from edgellm_tui.render.report import hanging, manifest_lines

if TYPE_CHECKING:
    from edgellm.data.dataset import Manifest
    from edgellm.sdk.damaged import Damaged

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
        counts = self.manifest.counts.splits
        numbers = [f"{counts.get(split, 0):,}" for split in ("train", "valid", "test")]
        cells = "".join(f"{cell:>9}" for cell in (*numbers, self._tokens()))
        return Content.assemble(_named(self.name), (cells, "$foreground 75%"))

    def details(self, width: int) -> list[Content]:
        """What is in it, as lines."""
        return manifest_lines(self.manifest, width)

    def _tokens(self) -> str:
        found = self.manifest.tokens
        return meter.tokens(sum(split.total for split in found.splits.values())) if found else ""


@dataclass(frozen=True, slots=True)
class DamagedRow:
    """A dataset that cannot be read; it can be deleted."""

    damaged: Damaged

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.damaged.name

    def line(self) -> Content:
        """Name, and that it cannot be read."""
        return Content.assemble(_named(self.name), (f"{'cannot be read':>{9 * len(COLUMNS)}}", "$text-error"))

    def details(self, width: int) -> list[Content]:
        """Why it cannot be read, and what to do."""
        reason = Content.styled(clean_line(self.damaged.reason), "$text-error")
        advice = Content("Delete it and build it again from its files, or put back a copy of its folder.")
        return [Content.styled(clean_line(self.name), "bold"), *hanging("", reason, width), *hanging("", advice, width)]


def _named(name: str) -> Content:
    """A name in its column."""
    shown = Content.styled(clean_line(name), "bold").truncate(NAME_CELLS - 1, ellipsis=True)
    return Content.assemble(shown, " " * (NAME_CELLS - shown.cell_length))
