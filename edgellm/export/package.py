"""From a model and an adapter to a folder of verified files, which appears whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgellm.adapter_header import read_adapter_header
from edgellm.disk_space import check_space
from edgellm.export import make_folder, make_gguf, make_peft
from edgellm.export.card import card
from edgellm.export.folder import appearing, check_vacant, put_in_place
from edgellm.export.manifest import CARD, MANIFEST, Manifest, encode_manifest
from edgellm.export.order import Kind, Order
from edgellm.export.workshop import OnEvent, Workshop
from edgellm.gguf_header import GGUFHeader, read_header
from edgellm.paths import write_private


@dataclass(frozen=True, slots=True)
class Maker:
    """How one kind of export is made."""

    needed_bytes: Callable[[GGUFHeader, Order], int]
    """Disk space that the work takes."""
    make: Callable[[Workshop], Manifest]
    """Fills the work folder; everything but manifest, card and name."""


_FOLDER = Maker(make_folder.needed_bytes, make_folder.make)
MAKERS: Mapping[Kind, Maker] = {
    "gguf": Maker(make_gguf.needed_bytes, make_gguf.make),
    "hf": _FOLDER,
    "mlx": _FOLDER,
    "peft": Maker(make_peft.needed_bytes, make_peft.make),
}


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
    maker = MAKERS[order.kind]
    check_space(order.folder.parent, maker.needed_bytes(base, order))
    with appearing(order.folder) as work:
        manifest = maker.make(Workshop(order=order, base=base, adapter=adapter, work=work, on_event=on_event))
        if order.keeps_files:
            write_private(work / MANIFEST, encode_manifest(manifest))
            write_private(work / CARD, card(manifest).encode())
            put_in_place(work, order.folder)
    return manifest
