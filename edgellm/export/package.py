"""From a model and an adapter to a folder of GGUF files, each verified; the folder appears whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from edgellm.disk_space import check_space
from edgellm.engine.judge import Judge
from edgellm.errors import DiskFull, InvalidInput
from edgellm.events import Progressed, Started
from edgellm.export import imatrix
from edgellm.export.card import card
from edgellm.export.fuse import PLAIN_TYPES, Adapter, Precision, fuse, fused_bytes
from edgellm.export.imatrix import Windows
from edgellm.export.manifest import CARD, MANIFEST, Base, Exported, Manifest, TextUsed, UsedAdapter, encode_manifest
from edgellm.export.quantize import Quant, Task, estimated_bytes, fallback_note, quantize
from edgellm.export.verify import Reference, reference_bytes
from edgellm.gguf_header import GGUFHeader, read_header
from edgellm.paths import PRIVATE_DIR, private_dir, sync_dir, write_private

OnEvent = Callable[[Started | Progressed], None]
GENERAL_TEXT = Path(__file__).with_name("general_text.txt")
"""Our own words, for who gives no text: prose, dialogue, lists, code."""
_HASH_BYTES = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be exported."""

    name: str
    """How the files are called: `NAME-Q4_K_M.gguf`."""
    base: Base
    base_path: Path
    adapter: UsedAdapter | None = None
    adapter_path: Path | None = None
    """The adapter as GGUF."""
    quants: Sequence[Quant]
    text: Path | None = None
    """The user's own text to calibrate and verify with; None takes `GENERAL_TEXT`."""
    folder: Path
    """Where the result is to appear; must not exist."""
    keeps_files: bool = True
    """False measures the quantizations and keeps nothing."""


def package(order: Order, on_event: OnEvent) -> Manifest:
    """Make and verify every file of an order.

    Raises: InvalidInput (the folder is taken, the adapter is for another base, the text is too short), DiskFull,
    ModelRejected, MissingExtra, JobError, WorkerDied; nothing stays behind.
    """
    if order.folder.exists():
        raise InvalidInput(
            f"{str(order.folder)!r} exists already.", hint="Name another folder, or remove it first.", field="out"
        )
    base = read_header(order.base_path)
    adapter = Adapter(order.adapter_path, base) if order.adapter_path else None
    precision = chosen_precision(base, order.quants)
    check_space(order.folder.parent, needed_bytes(base, order, precision))
    with _disk(order.folder), _folder_beside(order.folder) as work:
        manifest = _Packaging(order, base, work, on_event).run(adapter, precision)
        if order.keeps_files:
            write_private(work / MANIFEST, encode_manifest(manifest))
            write_private(work / CARD, card(manifest).encode())
            sync_dir(work)
            work.rename(order.folder)
            sync_dir(order.folder.parent)
    return manifest


def chosen_precision(base: GGUFHeader, quants: Sequence[Quant]) -> Precision:
    """Half precision, unless the base's weights are single or single is asked for."""
    has_single = any(tensor.type.name == "F32" and len(tensor.shape) > 1 for tensor in base.tensors)
    return "F32" if has_single or any(quant.name == "F32" for quant in quants) else "F16"


def is_full_precision(base: GGUFHeader) -> bool:
    """Whether no tensor of the file is quantized."""
    return all(tensor.type.name in PLAIN_TYPES for tensor in base.tensors)


def needed_bytes(base: GGUFHeader, order: Order, precision: Precision) -> int:
    """Disk space that the work takes at its largest, rather too much."""
    sizes = [estimated_bytes(base, quant) for quant in order.quants]
    rows = reference_bytes([[0] * imatrix.WINDOW_TOKENS] * imatrix.MOST_HELD_OUT, base.count("tokenizer.ggml.tokens"))
    return fused_bytes(base, precision) + rows + (sum(sizes) if order.keeps_files else max(sizes))


class _Packaging:
    """One order at work in its folder."""

    def __init__(self, order: Order, base: GGUFHeader, work: Path, on_event: OnEvent) -> None:
        self._order = order
        self._base = base
        self._work = work
        self._on_event = on_event

    def run(self, adapter: Adapter | None, precision: Precision) -> Manifest:
        """Everything but giving the folder its name."""
        source, temporary = self._source(adapter, precision), []
        if source != self._order.base_path:
            temporary.append(source)
        pieces = self._windows(source)
        matrix, covered = self._matrix(source, pieces)
        temporary += [matrix] if matrix else []
        with ExitStack() as stack:
            self._start("Measure the source", len(pieces.held_out), "texts")
            reference = stack.enter_context(Reference(source, pieces.held_out, self._work))
            files = [self._one(source, matrix, quant, reference) for quant in self._order.quants]
        for path in temporary:
            path.unlink()
        return self._manifest(files, pieces, covered)

    def _source(self, adapter: Adapter | None, precision: Precision) -> Path:
        """The model at full precision: the base file itself where it is that already."""
        if adapter is None and is_full_precision(self._base):
            return self._order.base_path
        path, total = self._work / ".full.gguf", len(self._base.tensors)
        self._start(f"Write {precision} weights", total, "tensors")
        fuse(self._base, adapter, path, precision, lambda done: self._progress(done, total))
        return path

    def _windows(self, source: Path) -> Windows:
        text = (self._order.text or GENERAL_TEXT).read_text(encoding="utf-8", errors="replace")
        with Judge(str(source), context_tokens=imatrix.WINDOW_TOKENS) as judge:
            beginning = judge.tokenize("", add_special=True)[:1] if judge.info.adds_bos else []
            return imatrix.windows(judge.tokenize(text), beginning)

    def _matrix(self, source: Path, pieces: Windows) -> tuple[Path | None, int]:
        """The importance matrix and how many weights it covers; none when nothing is quantized."""
        if all(quant.is_full_precision for quant in self._order.quants):
            return None, 0
        path, total = self._work / ".imatrix.npz", sum(map(len, pieces.calibration))
        self._start("Measure what matters", total, "tokens")
        covered = imatrix.measure(source, pieces.calibration, path, lambda done: self._progress(done, total))
        return path, covered

    def _one(self, source: Path, matrix: Path | None, quant: Quant, reference: Reference) -> Exported:
        name = f"{self._order.name}-{quant.name}.gguf"
        target = self._work / name
        used = None if quant.is_full_precision else matrix
        self._start(f"Quantize {quant.name}", len(self._base.tensors), "tensors")
        started = time.perf_counter()
        quantize(Task(source, target, quant, used), lambda done, total: self._progress(done, total))
        seconds = time.perf_counter() - started
        self._start(f"Check {quant.name}", len(reference.texts), "texts")
        verification = reference.check(target, quant)
        exported = Exported(
            quantization=quant.name,
            file=name if self._order.keeps_files else "",
            size_bytes=target.stat().st_size,
            sha256=sha256_of(target),
            with_imatrix=used is not None,
            note=fallback_note(self._base, quant),
            quantize_s=round(seconds, 2),
            verification=verification,
        )
        _keep(target) if self._order.keeps_files else target.unlink()
        return exported

    def _manifest(self, files: list[Exported], pieces: Windows, covered: int) -> Manifest:
        from edgellm.engine.llama.library import version

        own = self._order.text
        return Manifest(
            name=self._order.name,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            base=self._order.base,
            adapter=self._order.adapter,
            text=TextUsed(
                source=str(own) if own else "EdgeLLM's general text",
                calibration_tokens=sum(map(len, pieces.calibration)) if covered else 0,
                held_out_tokens=sum(map(len, pieces.held_out)),
                imatrix_weights=covered,
            ),
            llama_cpp=version(),
            files=files,
        )

    def _start(self, title: str, total: int, unit: str) -> None:
        self._on_event(Started(title=title, total=total, unit=unit))

    def _progress(self, done: int, total: int) -> None:
        self._on_event(Progressed(done=done, total=total))


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_HASH_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _keep(path: Path) -> None:
    """Make a finished file survive power loss."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """Tell a full disk, or a folder that another export made meanwhile, by its own error."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise InvalidInput(f"{str(folder)!r} exists by now.", hint="Name another folder.", field="out") from error
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        message = f"No space is left for the export to {str(folder)!r}."
        raise DiskFull(message, hint="Free some; nothing was kept.", path=str(folder)) from error


@contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """A new folder next to the target; gone when the block is left, unless it was renamed."""
    private_dir(target.parent)
    remove_leftovers(target.parent)
    folder = target.parent / f".{target.name}.export-{os.getpid()}.part"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=PRIVATE_DIR)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(parent: Path) -> None:
    """Remove the work folders of exports whose process is gone."""
    for entry in parent.glob(".*.part"):
        found = re.fullmatch(r"\..+\.export-(\d+)\.part", entry.name)
        if found and not psutil.pid_exists(int(found[1])):
            shutil.rmtree(entry, ignore_errors=True)
