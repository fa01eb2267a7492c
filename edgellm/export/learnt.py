"""What a training run has learnt, put in place of the base's weights: LoRA, DoRA and full fine-tuning alike.

A run's weights are a safetensors file in the base's names: `<tensor>.lora_a` (inputs, rank) and `.lora_b` (rank,
outputs), with `.magnitude` (outputs) for DoRA; or whole tensors, `<tensor>.weight` and `.bias`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.errors import TrainingError
from edgellm.export.convert.safetensors import Entry, read_entries
from edgellm.export.fuse import Changes
from edgellm.gguf_header import GGUFHeader

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHORTEST = 1e-12
"""As in training (`train/lora.py`): a row of zeros stays one."""
_PARTS = (".lora_a", ".lora_b", ".magnitude")


def learnt(path: Path, base: GGUFHeader, scale: float) -> Changes:
    """What the run's weights in a safetensors file make of the base it began with.

    Args:
        scale: alpha / rank, by which an adapter's product is multiplied.

    Raises: TrainingError when the file holds anything else; ModelRejected when it is damaged.
    """
    entries = read_entries(path)
    changed = set(_changed(entries))
    unknown = sorted(changed - {tensor.name for tensor in base.tensors})
    if unknown or not changed:
        what = f"weights for {unknown[0]!r}, which the base has not" if unknown else "no weights"
        raise TrainingError(f"{str(path)!r} holds {what}.", hint="Train again.")
    return Changes(changed, lambda name, values: _learnt(entries, name, values, scale))


def _changed(entries: Mapping[str, Entry]) -> Iterator[str]:
    """The base's tensors that the entries belong to."""
    for name in entries:
        stem, dot, part = name.rpartition(".")
        yield f"{stem}.weight" if f"{dot}{part}" in _PARTS else name


def _learnt(entries: Mapping[str, Entry], name: str, values: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """The tensor after training. Raises: TrainingError when a part is missing or has another shape."""
    if name in entries:
        return _shaped(entries, name, values.shape)
    stem = name.removesuffix(".weight")
    outputs, inputs = values.shape
    rank = entries[f"{stem}.lora_a"].shape[-1] if f"{stem}.lora_a" in entries else 0
    a, b = _shaped(entries, f"{stem}.lora_a", (inputs, rank)), _shaped(entries, f"{stem}.lora_b", (rank, outputs))
    changed = values + scale * (a @ b).T
    if f"{stem}.magnitude" not in entries:
        return changed
    return _stretched(changed, _shaped(entries, f"{stem}.magnitude", (outputs,)))


def _stretched(weight: NDArray[np.float32], magnitude: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of the lengths that DoRA has learnt (Liu et al. 2024, arXiv:2402.09353, equation 5)."""
    import numpy as np

    lengths = np.maximum(np.linalg.norm(weight, axis=1), _SHORTEST)
    stretched: NDArray[np.float32] = weight * (magnitude / lengths)[:, None]
    return stretched


def _shaped(entries: Mapping[str, Entry], name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    found = entries.get(name)
    if found is None or found.shape != shape:
        what = f"the shape {found.shape}" if found else "nothing"
        raise TrainingError(f"The run's weights have {what} for {name!r}; {shape} is needed.", hint="Train again.")
    return found.rows()
