"""An adapter as PEFT files, read back, attached to its base and compared with the adapter itself."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from edgellm.events import Started
from edgellm.export.adapter_gguf import Lora, read_adapter_gguf, write_adapter_gguf
from edgellm.export.from_peft import WEIGHTS, read_peft
from edgellm.export.manifest import Exported, Manifest
from edgellm.export.order import Order
from edgellm.export.peft import write_peft
from edgellm.export.workshop import Workshop, most_reference_bytes
from edgellm.gguf_header import GGUFHeader
from edgellm.hub.installed import sha256_of

_FLOAT_BYTES = 4


def needed_bytes(base: GGUFHeader, order: Order) -> int:
    """Disk space that the work takes: the adapter in float32, twice."""
    assert order.adapter_path is not None
    return 2 * _FLOAT_BYTES * order.adapter_path.stat().st_size + most_reference_bytes(base)


def make(shop: Workshop) -> Manifest:
    """Write the PEFT files, read them back, and compare base and adapter with base and what was read."""
    order = shop.order
    assert order.adapter_path is not None
    pieces = shop.windows()  # first: the text may be too short
    started = time.perf_counter()
    shop.start("Write PEFT files", 1, "adapters")
    write_peft(shop.work, _adapter(order.adapter_path), shop.base, order.base.name)
    seconds = time.perf_counter() - started
    back = shop.work / ".back.gguf"
    write_adapter_gguf(back, read_peft(shop.work, shop.base))
    with shop.reference(order.base_path, pieces, order.adapter_path) as reference:
        shop.on_event(Started(title="Check the PEFT files", total=len(reference.texts), unit="texts"))
        verification = reference.check(order.base_path, order.quants[0], back)
    back.unlink()
    exported = Exported(
        quantization=order.quants[0].name,
        file=WEIGHTS,
        size_bytes=sum(entry.stat().st_size for entry in shop.work.iterdir() if not entry.name.startswith(".")),
        sha256=sha256_of(shop.work / WEIGHTS),
        with_imatrix=False,
        note="",
        quantize_s=round(seconds, 2),
        verification=verification,
    )
    return shop.manifest([exported], shop.text_used(pieces))


def _adapter(path: Path) -> Lora:
    """The adapter; one that says no alpha is not scaled, which PEFT says as an alpha of the rank."""
    adapter = read_adapter_gguf(path)
    ranks = {a.shape[1] for a, _ in adapter.factors.values()}
    return adapter if adapter.alpha else replace(adapter, alpha=float(max(ranks)))
