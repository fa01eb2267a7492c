"""A model as GGUF files, one for each quantization."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from edgellm.export import imatrix
from edgellm.export.folder import keep
from edgellm.export.fuse import Precision, fused_bytes
from edgellm.export.imatrix import Windows
from edgellm.export.manifest import Exported, Manifest
from edgellm.export.order import Order
from edgellm.export.quantize import Quant, Task, estimated_bytes, fallback_note, quantize
from edgellm.export.verify import Reference
from edgellm.export.workshop import Workshop, most_reference_bytes
from edgellm.gguf_header import GGUFHeader
from edgellm.hub.installed import sha256_of


def chosen_precision(base: GGUFHeader, quants: Sequence[Quant]) -> Precision:
    """Half precision, unless most of the base's weights are single or single is asked for."""
    single = sum(tensor.count for tensor in base.tensors if tensor.type.name == "F32")
    return "F32" if 2 * single > base.parameters or any(quant.name == "F32" for quant in quants) else "F16"


def needed_bytes(base: GGUFHeader, order: Order) -> int:
    """Disk space that the work takes at its largest, rather too much."""
    sizes = [estimated_bytes(base, quant) for quant in order.quants]
    full = fused_bytes(base, chosen_precision(base, order.quants))
    return full + most_reference_bytes(base) + (sum(sizes) if order.keeps_files else max(sizes))


def make(shop: Workshop) -> Manifest:
    """Write and verify every file of the order."""
    pieces = shop.windows()  # first: the text may be too short
    source = shop.source(chosen_precision(shop.base, shop.order.quants))
    divergence = shop.divergence(source, pieces)
    matrix, covered = _matrix(shop, source, pieces)
    temporary = [path for path in (source, matrix) if path not in (shop.order.base_path, None)]
    with shop.reference(source, pieces) as reference:
        files = [_one(shop, Task(source, _target(shop, q), q, matrix), reference) for q in shop.order.quants]
    for path in temporary:
        path.unlink()
    return shop.manifest(files, shop.text_used(pieces, covered), divergence)


def _matrix(shop: Workshop, source: Path, pieces: Windows) -> tuple[Path | None, int]:
    """The importance matrix and how many weights it covers; none when nothing is quantized."""
    if all(quant.is_full_precision for quant in shop.order.quants):
        return None, 0
    path, total = shop.work / ".imatrix.gguf", sum(map(len, pieces.calibration))
    shop.start("Measure what matters", total, "tokens")
    covered = imatrix.measure(source, pieces.calibration, path, lambda done: shop.progress(done, total))
    return path, covered


def _target(shop: Workshop, quant: Quant) -> Path:
    return shop.work / f"{shop.order.name}-{quant.name}.gguf"


def _one(shop: Workshop, wanted: Task, reference: Reference) -> Exported:
    quant, target = wanted.quant, wanted.target
    used = None if quant.is_full_precision else wanted.imatrix
    shop.start(f"Quantize {quant.name}", len(shop.base.tensors), "tensors")
    started = time.perf_counter()
    quantize(Task(wanted.source, target, quant, used), shop.progress)
    seconds = time.perf_counter() - started
    shop.start(f"Check {quant.name}", len(reference.texts), "texts")
    exported = Exported(
        quantization=quant.name,
        file=target.name if shop.order.keeps_files else "",
        size_bytes=target.stat().st_size,
        sha256=sha256_of(target),
        with_imatrix=used is not None,
        note=fallback_note(shop.base, quant),
        quantize_s=round(seconds, 2),
        verification=reference.check(target, quant),
    )
    if shop.order.on_file is not None:
        shop.order.on_file(quant.name, target)
    keep(target) if shop.order.keeps_files else target.unlink()
    return exported
