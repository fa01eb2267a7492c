"""A dataset from examples: written beside its place, put there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from edgellm.data.card import REASONS, card
from edgellm.data.dataset import (
    CARD,
    DROPPED,
    FORMAT_VERSION,
    MANIFEST,
    Dataset,
    Manifest,
    SplitFile,
    dataset_hash,
)
from edgellm.data.examine import Examined, OnEvent, Tools, examine
from edgellm.data.report import Report
from edgellm.data.rows import encode_dropped
from edgellm.data.rules import Rules
from edgellm.data.sources import AnySource
from edgellm.data.split import SPLITS, Split
from edgellm.errors import DataRejected, DiskFull, InvalidInput, StoreError
from edgellm.paths import LEFTOVER_S, PRIVATE_DIR, PRIVATE_FILE, private_dir, sync_dir

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SPOOL = "rows.part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a dataset goes."""

    home: Path
    """The folder of all datasets."""
    name: str
    replace: bool = False

    @property
    def folder(self) -> Path:
        """The dataset's own folder."""
        return self.home / self.name


def check(sources: Sequence[AnySource], rules: Rules, tools: Tools, on_event: OnEvent) -> Report:
    """What a dataset of these sources would be; writes nothing. Raises: MissingExtra, InvalidInput."""
    return examine(sources, rules, tools, lambda _: None, on_event, collect_problems=True).report


def build(sources: Sequence[AnySource], target: Target, rules: Rules, tools: Tools, on_event: OnEvent) -> Dataset:
    """Read the sources and write the dataset.

    Raises: DataRejected naming file and line, InvalidInput (a bad or taken name), MissingExtra, DiskFull, StoreError.
    """
    _check_name(target)
    with keeping_in(target.home), _folder_beside(target) as folder:
        with _private(folder / _SPOOL) as spool:
            examined = examine(sources, rules, tools, spool.write, on_event)
        if not examined.report.counts.kept:
            raise _nothing_left(examined.report)
        manifest = _write(folder, target.name, examined)
        (folder / _SPOOL).unlink()
        sync_dir(folder)
        _put_in_place(folder, target)
    return Dataset(target.folder, manifest)


def valid_name(name: str) -> str:
    """The name itself. Raises: InvalidInput unless it is a plain folder name."""
    if not _NAME.fullmatch(name):
        hint = "Up to 64 letters, digits, dots, dashes and underscores, beginning with a letter or digit."
        raise InvalidInput(f"{name!r} is no name for a dataset.", hint=hint, field="name")
    return name


def _check_name(target: Target) -> None:
    valid_name(target.name)
    if target.folder.exists() and not target.replace:
        raise InvalidInput(
            f"There is a dataset named {target.name!r} already.",
            hint="Choose another name, or let the new one take its place.",
            field="name",
            remedy="replace",
        )


@contextmanager
def keeping_in(home: Path) -> Iterator[None]:
    """Errors of the folder of datasets as our own. Raises: DiskFull, StoreError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"No space is left in {home} for the dataset.", hint="Free some; nothing was kept."
            ) from error
        hint = "Make it writable, or set EDGELLM_HOME to another folder."
        raise StoreError(f"Datasets cannot be kept in {home}: {error.strerror}.", hint=hint, path=str(home)) from error


@contextmanager
def _folder_beside(target: Target) -> Iterator[Path]:
    """A new folder next to the target; gone when the block is left, unless it was renamed."""
    private_dir(target.home)
    remove_leftovers(target.home)
    folder = target.home / f".{target.name}.{os.getpid()}-{time.monotonic_ns()}.part"
    folder.mkdir(mode=PRIVATE_DIR)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(home: Path) -> None:
    """Remove what builders that were killed left behind, and put back a dataset that one was about to replace."""
    for entry in home.glob(".*.replaced"):
        place = home / entry.name[1 : -len(".replaced")]
        if place.exists():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.rename(place)
    for entry in home.glob(".*.part"):
        if time.time() - entry.stat().st_mtime > LEFTOVER_S:
            shutil.rmtree(entry, ignore_errors=True)


def _put_in_place(folder: Path, target: Target) -> None:
    """Rename the finished folder; an old dataset steps aside first and is removed last."""
    aside = target.home / f".{target.name}.replaced"
    if target.replace and target.folder.exists():
        target.folder.rename(aside)
    try:
        folder.rename(target.folder)
    except OSError as error:
        if aside.exists():
            aside.rename(target.folder)
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):  # another builder was faster
            message = f"There is a dataset named {target.name!r} by now."
            hint = "Choose another name, or let this one take its place."
            raise InvalidInput(message, hint=hint, field="name", remedy="replace") from error
        raise
    sync_dir(target.home)
    shutil.rmtree(aside, ignore_errors=True)


def _write(folder: Path, name: str, examined: Examined) -> Manifest:
    """Every file of the dataset but the spool, which holds the rows."""
    splits = _write_splits(folder, examined.splits)
    with _private(folder / DROPPED) as handle:
        handle.writelines(encode_dropped(drop) for drop in examined.dropped)
    report = examined.report
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        name=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        sources=report.sources,
        rules=report.rules,
        counts=report.counts,
        groups=report.groups,
        personal=report.personal,
        languages=report.languages,
        tokens=report.tokens,
        splits=splits,
        dataset_hash=dataset_hash(splits),
    )
    with _private(folder / MANIFEST) as handle:
        handle.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    with _private(folder / CARD) as handle:
        handle.write(card(manifest).encode())
    return manifest


@dataclass
class _SplitWriter:
    """A split's file with its running hash."""

    name: str
    write_bytes: Callable[[bytes], int]
    rows: int = 0
    size_bytes: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def write(self, line: bytes) -> None:
        self.write_bytes(line)
        self.digest.update(line)
        self.rows += 1
        self.size_bytes += len(line)

    def done(self) -> SplitFile:
        return SplitFile(file=self.name, rows=self.rows, bytes=self.size_bytes, sha256=self.digest.hexdigest())


def _write_splits(folder: Path, splits: Iterable[Split | None]) -> dict[Split, SplitFile]:
    """The spooled rows, each into the file of its split."""
    with ExitStack() as stack:
        handles = {name: stack.enter_context(_private(folder / f"{name}.jsonl")) for name in SPLITS}
        writers = {name: _SplitWriter(f"{name}.jsonl", handle.write) for name, handle in handles.items()}
        rows = stack.enter_context((folder / _SPOOL).open("rb"))
        for name, line in zip(splits, rows, strict=True):
            if name is not None:
                writers[name].write(line)
        return {name: writer.done() for name, writer in writers.items()}


@contextmanager
def _private(path: Path) -> Iterator[BinaryIO]:
    """A new file for the owner alone, on disk when the block is left."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as handle:
        yield handle
        handle.flush()
        os.fsync(handle.fileno())


def _nothing_left(report: Report) -> DataRejected:
    counts = report.counts
    reasons = ", ".join(f"{number} {REASONS[reason]}" for reason, number in counts.dropped.items())
    first = next((drop for some in report.examples.values() for drop in some), None)
    where = f" First: {first.source}: {first.detail}." if first else ""
    message = f"No row is left of {counts.read} that were read" + (f": {reasons}.{where}" if reasons else ".")
    if first is None:
        return DataRejected(message)
    return DataRejected(message, file=first.source.file, line=first.source.line)
