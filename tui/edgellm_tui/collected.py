"""Collections of documents and their files as lines of lists."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content

from edgellm.safetext import clean_line
from edgellm.sizes import size
from edgellm_tui.render import meter
from edgellm_tui.wording import in_app

if TYPE_CHECKING:
    from edgellm.retrieval.values import CollectionInfo, IndexedFile

NAME_CELLS = 18
_PASSAGES_CELLS = 10
HEAD = Content.styled(
    f"{'Collection':<{NAME_CELLS}}" + f"{'Files':>8}{'Failed':>8}{'Passages':>{_PASSAGES_CELLS}}{'Size':>8}",
    "$foreground 55%",
)
"""Above the columns."""
MOST_FILES = 500
"""Files that a list shows; what could not be read comes first."""
_KIND_CELLS, _PAGES_CELLS, _STATUS_CELLS = 10, 6, 10
FILE_CELLS = _KIND_CELLS + _PAGES_CELLS + _PASSAGES_CELLS + _STATUS_CELLS
"""Cells right of a file's name."""


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """One collection of the list."""

    info: CollectionInfo
    now: float
    """Seconds since 1970."""

    @property
    def name(self) -> str:
        """What the SDK calls it."""
        return self.info.name

    def line(self) -> Content:
        """What `HEAD` names; below it the embedder and the age, or why it cannot be opened."""
        info = self.info
        name = Content.styled(clean_line(self.name), "bold").truncate(NAME_CELLS - 1, ellipsis=True)
        if info.reason:
            return Content.assemble(name, "\n  ", (f"✗ {in_app(info.reason)}", "$text-error"))
        gap = " " * (NAME_CELLS - name.cell_length)
        failed = (f"{info.failed:>8,}", "$text-error" if info.failed else "$foreground 75%")
        rest = f"{info.chunks:>{_PASSAGES_CELLS},}{size(info.size_bytes):>8}"
        below = f"\n  {clean_line(info.embedder)} · {meter.ago(self.now - info.updated)}"
        columns = ((f"{info.files:>8,}", "$foreground 75%"), failed, (rest, "$foreground 75%"))
        return Content.assemble(name, gap, *columns, (below, "$foreground 50%"))


def in_order(files: Iterable[IndexedFile]) -> list[IndexedFile]:
    """What could not be read first, then by name."""
    return sorted(files, key=lambda file: (not file.reason, file.name))


def common_folder(files: Sequence[IndexedFile]) -> str:
    """The folder that holds all of them; empty where there is none."""
    try:
        return os.path.commonpath([os.path.dirname(file.name) for file in files]) if files else ""
    except ValueError:  # names from another system
        return ""


def file_head(width: int) -> Content:
    """Above the columns of files."""
    columns = f"{'Kind':<{_KIND_CELLS}}{'Pages':>{_PAGES_CELLS}}{'Passages':>{_PASSAGES_CELLS}}  Status"
    return Content.styled("File".ljust(_name_cells(width)) + columns, "$foreground 55%")


def file_line(file: IndexedFile, folder: str, width: int) -> Content:
    """Name within `folder`, kind, pages, passages, status; below it why it could not be read."""
    cells = _name_cells(width)
    name = _fitted(clean_line(file.name.removeprefix(folder).lstrip("/\\") or file.name), cells - 1)
    kind = Content(clean_line(file.kind)).truncate(_KIND_CELLS - 1, ellipsis=True)
    pages = f"{file.pages:,}" if file.pages is not None else ""
    line = Content.assemble(
        name,
        " " * (cells - name.cell_length),
        kind.stylize("$foreground 75%"),
        " " * (_KIND_CELLS - kind.cell_length),
        (f"{pages:>{_PAGES_CELLS}}{file.chunks or '':>{_PASSAGES_CELLS}}  ", "$foreground 75%"),
        _status(file),
    )
    if not file.reason:
        return line
    reason = Content.styled(in_app(file.reason), "$text-error").wrap(max(width - 2, 10))
    return Content("\n").join([line, *(Content("  ") + part for part in reason)])


def _name_cells(width: int) -> int:
    return max(width - FILE_CELLS, 12)


def _fitted(name: str, cells: int) -> Content:
    """The name, or its end: that is where files of one folder differ."""
    shown = Content(name)
    while shown.cell_length > cells:
        name = name[max(1, (shown.cell_length - cells) // 2) :]
        shown = Content(f"…{name}")
    return shown


def _status(file: IndexedFile) -> tuple[str, str]:
    if file.reason:
        return "✗ failed", "$text-error"
    return ("! partly", "$text-warning") if file.notices else ("ready", "$text-success")


def file_facts(file: IndexedFile, now: float) -> list[Content]:
    """Everything that is known of a file, to be read."""
    facts = (
        ("File", file.name),
        ("Title", file.title or ""),
        ("Kind", file.kind),
        ("Pages", f"{file.pages:,}" if file.pages is not None else ""),
        ("Passages", f"{file.chunks:,}"),
        ("Size", size(file.size)),
        ("Changed", meter.ago(now - file.modified)),
        ("Tags", ", ".join(file.tags)),
    )
    lines = [Content.assemble((f"{name:<9}", "$foreground 55%"), clean_line(value)) for name, value in facts if value]
    if file.reason:
        lines += [Content(""), Content.styled(f"✗ {in_app(file.reason)}", "$text-error")]
    return lines + [Content.styled(f"! {in_app(notice)}", "$text-warning") for notice in file.notices]
