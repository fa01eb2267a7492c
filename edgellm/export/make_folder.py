"""A model as the folder that Hugging Face libraries or mlx_lm open, read back and compared with its source."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

import msgspec

from edgellm.events import Started
from edgellm.export.convert.parity import folder_tokenizer
from edgellm.export.convert.safetensors import ITEM_BYTES
from edgellm.export.convert.write import Converted, FloatType, convert_folder
from edgellm.export.fuse import Precision, fused_bytes
from edgellm.export.manifest import Exported, Manifest, Verification
from edgellm.export.order import Order
from edgellm.export.to_hf import WEIGHTS, Layout, Source, WrittenFolder, write_folder
from edgellm.export.verify import Reference
from edgellm.export.workshop import Workshop, most_reference_bytes
from edgellm.gguf_header import GGUFHeader
from edgellm.hub.installed import sha256_of


def needed_bytes(base: GGUFHeader, order: Order) -> int:
    """Disk space that the work takes: the source, the folder, and the file that it is read back into."""
    written = sum(tensor.count for tensor in base.tensors) * ITEM_BYTES[order.quants[0].name]
    return fused_bytes(base, _precision(order)) + 2 * written + most_reference_bytes(base)


def make(shop: Workshop) -> Manifest:
    """Write the folder, read it back as a GGUF file, and compare that with the source.

    What reading back cannot see, a mistake made alike in both directions, is for the tests: mlx_lm opens such folders
    of every family there.
    """
    order, kind = shop.order, cast(FloatType, shop.order.quants[0].name)
    pieces = shop.windows()  # first: the text may be too short
    started = time.perf_counter()
    layout: Layout = "mlx" if order.kind == "mlx" else "hf"
    written = write_folder(Source(order.base_path, shop.adapter), shop.work / order.name, layout, kind, shop.on_event)
    seconds = time.perf_counter() - started
    source = shop.source(_precision(order))
    divergence = shop.divergence(source, pieces)
    with shop.reference(source, pieces) as reference:
        back = convert_folder(written.path, shop.work / ".back.gguf", kind, shop.on_event)
        shop.on_event(Started(title="Check the folder", total=len(reference.texts), unit="texts"))
        verification = _checked(shop, written.path, back.path, reference)
    for path in {source, back.path} - {order.base_path}:
        path.unlink()
    exported = Exported(
        quantization=kind,
        file=WEIGHTS,
        size_bytes=sum(entry.stat().st_size for entry in written.path.iterdir()),
        sha256=sha256_of(written.path / WEIGHTS),
        with_imatrix=False,
        note=_notes(written, back),
        quantize_s=round(seconds, 2),
        verification=verification,
    )
    _lay_out(written.path, shop.work)
    return shop.manifest([exported], shop.text_used(pieces), divergence)


def _precision(order: Order) -> Precision:
    """Of the source: what the folder's weights are rounded from, where they are rounded."""
    return "F16" if order.quants[0].name == "F16" else "F32"


def _checked(shop: Workshop, folder: Path, back: Path, reference: Reference) -> Verification:
    """As a GGUF file is checked; and the folder's own tokenizer must read the conversations alike."""
    found = reference.check(back, shop.order.quants[0])
    tokenizer = folder_tokenizer(folder)
    own = [
        tokenizer.encode(text, add_special_tokens=adds_special).ids for text, adds_special in reference.conversations
    ]
    if own == reference.prompts:
        return found
    problem = "The folder's tokenizer reads the rendered conversations as other token ids than the source's."
    return msgspec.structs.replace(found, passed=False, same_prompt_tokens=False, problems=[*found.problems, problem])


def _notes(written: WrittenFolder, back: Converted) -> str:
    """What a reader should know, each once."""
    return " ".join(dict.fromkeys((*written.notes, *back.notes)))


def _lay_out(folder: Path, work: Path) -> None:
    """Move the folder's files up into the export itself."""
    for entry in list(folder.iterdir()):
        entry.rename(work / entry.name)
    folder.rmdir()
