"""From a model and an adapter to a folder of GGUF files, each verified; the folder appears whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edgellm.adapter_header import AdapterHeader, read_adapter_header
from edgellm.disk_space import check_space
from edgellm.engine.judge import Judge
from edgellm.events import Progressed, Started
from edgellm.export import imatrix
from edgellm.export.card import card
from edgellm.export.folder import appearing, check_vacant, keep, put_in_place
from edgellm.export.fuse import PLAIN_TYPES, Precision, fuse, fused_bytes
from edgellm.export.imatrix import Windows
from edgellm.export.manifest import CARD, MANIFEST, Base, Exported, Manifest, TextUsed, UsedAdapter, encode_manifest
from edgellm.export.quantize import Quant, Task, estimated_bytes, fallback_note, quantize
from edgellm.export.text import Text
from edgellm.export.verify import Reference, reference_bytes, source_divergence
from edgellm.gguf_header import GGUFHeader, read_header
from edgellm.hub.installed import sha256_of
from edgellm.paths import write_private

OnEvent = Callable[[Started | Progressed], None]


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
    text: Text
    """What calibrates and verifies."""
    folder: Path
    """Where the result is to appear; must not exist."""
    keeps_files: bool = True
    """False measures the quantizations and keeps nothing."""


def package(order: Order, on_event: OnEvent) -> Manifest:
    """Make and verify every file of an order.

    Raises: InvalidInput (the folder is taken, the adapter is for another base, the text is too short), DiskFull,
    ModelRejected, MissingExtra, JobError, WorkerDied; nothing stays behind.
    """
    check_vacant(order.folder)
    base = read_header(order.base_path)
    adapter = read_adapter_header(order.adapter_path) if order.adapter_path else None
    if adapter is not None:
        adapter.check_base(base)
    precision = chosen_precision(base, order.quants)
    check_space(order.folder.parent, needed_bytes(base, order, precision))
    with appearing(order.folder) as work:
        manifest = _Packaging(order, base, work, on_event).run(adapter, precision)
        if order.keeps_files:
            write_private(work / MANIFEST, encode_manifest(manifest))
            write_private(work / CARD, card(manifest).encode())
            put_in_place(work, order.folder)
    return manifest


def chosen_precision(base: GGUFHeader, quants: Sequence[Quant]) -> Precision:
    """Half precision, unless most of the base's weights are single or single is asked for."""
    single = sum(tensor.count for tensor in base.tensors if tensor.type.name == "F32")
    return "F32" if 2 * single > base.parameters or any(quant.name == "F32" for quant in quants) else "F16"


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

    def run(self, adapter: AdapterHeader | None, precision: Precision) -> Manifest:
        """Everything but giving the folder its name."""
        pieces = self._windows()  # first: the text may be too short
        source = self._source(adapter, precision)
        divergence = self._divergence(source, pieces)
        matrix, covered = self._matrix(source, pieces)
        temporary = [path for path in (source, matrix) if path not in (self._order.base_path, None)]
        with ExitStack() as stack:
            self._start("Measure the source", len(pieces.held_out), "texts")
            reference = stack.enter_context(Reference(source, pieces.held_out, self._work))
            files = [self._one(source, matrix, quant, reference) for quant in self._order.quants]
        for path in temporary:
            path.unlink()
        text = TextUsed(
            source=self._order.text.source,
            calibration_tokens=sum(map(len, pieces.calibration)) if covered else 0,
            held_out_tokens=sum(map(len, pieces.held_out)),
            imatrix_weights=covered,
        )
        return self._manifest(files, text, divergence)

    def _source(self, adapter: AdapterHeader | None, precision: Precision) -> Path:
        """The model at full precision: the base file itself where it is that already."""
        if adapter is None and is_full_precision(self._base):
            return self._order.base_path
        path, total = self._work / ".full.gguf", len(self._base.tensors)
        self._start(f"Write {precision} weights", total, "tensors")
        fuse(self._base, adapter, path, precision, lambda done: self._progress(done, total))
        return path

    def _divergence(self, source: Path, pieces: Windows) -> float:
        if source == self._order.base_path:
            return 0.0
        self._start("Compare with the base", 1, "texts")
        return source_divergence(self._order.base_path, self._order.adapter_path, source, pieces.held_out[0])

    def _windows(self) -> Windows:
        with Judge(str(self._order.base_path), context_tokens=imatrix.WINDOW_TOKENS) as judge:
            beginning = judge.tokenize("", add_special=True)[:1] if judge.info.adds_bos else []
            return imatrix.windows(judge.tokenize(self._order.text.content), beginning)

    def _matrix(self, source: Path, pieces: Windows) -> tuple[Path | None, int]:
        """The importance matrix and how many weights it covers; none when nothing is quantized."""
        if all(quant.is_full_precision for quant in self._order.quants):
            return None, 0
        path, total = self._work / ".imatrix.gguf", sum(map(len, pieces.calibration))
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
        keep(target) if self._order.keeps_files else target.unlink()
        return exported

    def _manifest(self, files: list[Exported], text: TextUsed, divergence: float) -> Manifest:
        from edgellm.engine.llama.library import version

        return Manifest(
            name=self._order.name,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            base=self._order.base,
            adapter=self._order.adapter,
            source_kl=divergence,
            text=text,
            llama_cpp=version(),
            files=files,
        )

    def _start(self, title: str, total: int, unit: str) -> None:
        self._on_event(Started(title=title, total=total, unit=unit))

    def _progress(self, done: int, total: int) -> None:
        self._on_event(Progressed(done=done, total=total))
