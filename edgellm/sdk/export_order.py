"""What exactly an export has to do: names resolved, the adapter checked, the text read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgellm.errors import InvalidInput, NotFound
from edgellm.gguf_header import read_header
from edgellm.hub.adapters import DatasetRecord, InstalledAdapter, Shelf
from edgellm.hub.cards import load_catalogue
from edgellm.hub.installed import InstalledModel, Library, sha256_of
from edgellm.hub.names import name_from, split_adapter
from edgellm.paths import Home

if TYPE_CHECKING:  # numpy is imported when something is exported
    from edgellm.data.dataset import Dataset
    from edgellm.data.rows import Row
    from edgellm.data.split import Split
    from edgellm.export.manifest import Base, UsedAdapter
    from edgellm.export.order import Kind, Order
    from edgellm.export.quantize import Quant
    from edgellm.export.text import Text


DEFAULT_QUANT = "Q4_K_M"
HELD_OUT: tuple[Split, ...] = ("test", "valid")
"""Rows that verify, in this order: no training reads the first, and the second only chooses among its steps."""
DESCRIBED = 500
"""Most characters of what a file says of itself."""
FOLDER_TYPES = ("F32", "F16", "BF16")
"""What the weights of a folder for Hugging Face libraries or mlx_lm can be stored as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What is to be exported or compared."""

    model: str
    """Name or path of a model, with an adapter or without: `starter@lighthouse`."""
    to: Kind = "gguf"
    quants: str | None = None
    """Names with commas between them: `Q8_0,Q4_K_M`; None takes Q4_K_M. Of a folder (hf, mlx) the type of its weights:
    F32, F16 or BF16; None takes the base's, F16 where that is quantized. An adapter's PEFT files have no choice."""
    text: str | Path | None = None
    """A text file like what the model will read and write, to calibrate and verify with; None calibrates with what the
    adapter was trained on and verifies with what its dataset held out, when that is still here, or takes a general
    text."""
    out: str | Path | None = None
    """The folder that is to appear; None makes one named after the model among the home's exports."""


def folder_of(home: Home) -> Path:
    """One folder per export, named after the model."""
    return home.data / "exports"


def order(home: Home, library: Library, request: ExportRequest, *, keeps_files: bool = True) -> Order:
    """What exactly is to be done. Raises: ModelNotFound, ModelRejected, AdapterNotFound, InvalidInput."""
    from edgellm.export.order import KINDS, Order

    if request.to not in KINDS:
        message = f"There is no kind of export {request.to!r}."
        raise InvalidInput(message, hint=f"Known: {', '.join(KINDS)}.", field="to", value=request.to)
    base_name, adapter_name = split_adapter(request.model)
    model = library.find(base_name)
    found = library.inspect(model.path)
    if found.shape.is_embedder:
        raise InvalidInput(f"{model.name!r} is an embedder; only chat models are exported.", field="model")
    quants = _quants(request, found.quantization)
    base = _base(model, found)
    adapter = Shelf(home).get(adapter_name) if adapter_name else None
    name = name_from(f"{model.name}-{adapter_name}" if adapter_name else model.name)
    place = folder_of(home) / (name if request.to == "gguf" else f"{name}-{request.to}")
    out = Path(request.out) if request.out else place
    return Order(
        name=name,
        kind=request.to,
        base=base,
        base_path=model.path,
        adapter=_used(home, adapter, base) if adapter else None,
        adapter_path=adapter.path if adapter else None,
        quants=quants,
        text=_text(home, request.text, adapter),
        folder=out.absolute(),
        keeps_files=keeps_files,
    )


def _quants(request: ExportRequest, of_base: str) -> list[Quant]:
    """What the files are to be stored as. Raises: InvalidInput for what the kind of export cannot have."""
    from edgellm.export.quantize import chosen

    if request.to == "gguf":
        return chosen(request.quants or DEFAULT_QUANT)
    if request.to == "peft":
        return _of_adapter(request)
    found = chosen(request.quants or (of_base if of_base in FOLDER_TYPES else "F16"))
    if len(found) == 1 and found[0].name in FOLDER_TYPES:
        return found
    raise InvalidInput(
        f"A folder cannot be stored as {request.quants!r}.",
        hint=f"Choose one of {', '.join(FOLDER_TYPES)}, or export to gguf for quantizations.",
        field="quant",
    )


def _of_adapter(request: ExportRequest) -> list[Quant]:
    """PEFT files hold float32. Raises: InvalidInput without an adapter, or with a quantization."""
    from edgellm.export.quantize import QUANTS

    if split_adapter(request.model)[1] is None:
        raise InvalidInput(
            f"PEFT files hold an adapter, and {request.model!r} names none.",
            hint=f"Name one: {request.model}@ADAPTER; `edgellm adapters list` shows which there are. "
            "A whole model is exported to hf.",
            field="model",
        )
    if request.quants:
        raise InvalidInput(
            f"PEFT files are stored in float32, not as {request.quants!r}.", hint="Name no quantization.", field="quant"
        )
    return [QUANTS["F32"]]


def _base(model: InstalledModel, found: Any) -> Base:
    from edgellm.export.manifest import Base

    return Base(
        name=model.name,
        sha256=model.sha256 or sha256_of(model.path),
        architecture=found.architecture,
        quantization=found.quantization,
        licence=found.licence or _licence_on_card(model),
        parameters=found.parameters,
        description=(read_header(model.path).text("general.description") or "")[:DESCRIBED],
    )


def _licence_on_card(model: InstalledModel) -> str:
    """The catalogue's licence of a model whose file does not say; empty unless it was fetched from the card's place."""
    card = load_catalogue().cards.get(model.name)
    is_from_there = card and card.repository and f"/{card.repository}/resolve/" in model.source
    if card is None or not is_from_there or not model.source.startswith("http"):
        return ""
    return f"{card.licence} (says the catalogue)"


def _used(home: Home, adapter: InstalledAdapter, base: Base) -> UsedAdapter:
    """What the manifest says of the adapter. Raises: InvalidInput when it was made for another base."""
    from edgellm.export.manifest import UsedAdapter

    made_for, data = adapter.manifest.base, adapter.manifest.dataset
    dataset = _dataset(home, data)
    if made_for.sha256 != base.sha256:
        raise InvalidInput(
            f"The adapter {adapter.name!r} was made for {made_for.name!r} (SHA-256 {made_for.sha256[:12]}…), not for "
            f"{base.name!r} ({base.sha256[:12]}…).",
            hint=f"Export {adapter.reference}.",
            field="adapter",
        )
    return UsedAdapter(
        name=adapter.name,
        sha256=sha256_of(adapter.path),
        dataset=data.name if data else "",
        dataset_hash=data.hash if data else "",
        dataset_rows=dataset.manifest.counts.kept if dataset else None,
    )


def _text(home: Home, path: str | Path | None, adapter: InstalledAdapter | None) -> Text:
    """The file that was named, else the adapter's dataset, else the general text. Raises: InvalidInput."""
    from edgellm.export import text

    if path is not None:
        return text.from_file(Path(path), has_adapter=adapter is not None)
    dataset = _dataset(home, adapter.manifest.dataset) if adapter else None
    if dataset is None:
        return text.general()
    return text.from_examples(
        dataset.name, _texts(dataset, "train"), {split: _texts(dataset, split) for split in HELD_OUT}
    )


def _texts(dataset: Dataset, split: Split) -> Iterator[str]:
    return map(_words, dataset.rows(split))


def _words(row: Row) -> str:
    from edgellm.data.rows import TextRow

    return row.text if isinstance(row, TextRow) else "\n".join(message.content for message in row.messages)


def _dataset(home: Home, made_of: DatasetRecord | None) -> Dataset | None:
    """The dataset an adapter was trained on, if it is still here, unchanged."""
    from edgellm.data.dataset import open_dataset

    if made_of is None:
        return None
    try:
        dataset = open_dataset(home.datasets / made_of.name)
    except (InvalidInput, NotFound, OSError):
        return None
    return dataset if dataset.manifest.dataset_hash == made_of.hash else None
