"""Weights of a folder as float32 rows; MLX's quantized matrices are unpacked on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.export.convert.config import Config
from edgellm.export.convert.safetensors import Entry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WHOLE_BITS = (2, 4, 8)
"""Widths that fill a 32-bit word without a rest."""


@dataclass(frozen=True, slots=True)
class Weight:
    """One tensor of the folder."""

    entry: Entry

    @property
    def path(self) -> Path:
        """The file that holds it."""
        return self.entry.path

    @property
    def shape(self) -> tuple[int, ...]:
        """Slowest-varying dimension first."""
        return self.entry.shape

    def rows(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Rows `start` to `stop`. Raises: ModelRejected."""
        return self.entry.rows(start, stop)


@dataclass(frozen=True, slots=True)
class PackedWeight:
    """A matrix in MLX's affine quantization: w = scale * q + bias for each group of a row's neighbours.

    Format: https://ml-explore.github.io/mlx/build/html/python/_autosummary/mlx.core.quantize.html
    """

    packed: Entry
    scales: Entry
    biases: Entry
    bits: int
    group: int

    @property
    def path(self) -> Path:
        """The file that holds it."""
        return self.packed.path

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""
        return self.packed.shape[0], self.scales.shape[1] * self.group

    def rows(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Rows `start` to `stop`. Raises: ModelRejected."""
        import numpy as np

        words = self.packed.numbers()[start:stop]
        shifts = np.arange(0, 32, self.bits, dtype=np.uint32)
        digits = (words[..., None] >> shifts) & np.uint32(2**self.bits - 1)
        scales, biases = self.scales.rows(start, stop), self.biases.rows(start, stop)
        grouped = digits.reshape(*scales.shape, self.group).astype(np.float32)
        return (grouped * scales[..., None] + biases[..., None]).reshape(words.shape[0], -1)


def read_weights(config: Config, tensors: Mapping[str, Entry]) -> dict[str, Weight | PackedWeight]:
    """Every weight by the folder's name.

    Raises: ModelRejected for a quantization that cannot be unpacked here.
    """
    settings = config.table("quantization")
    modules = (
        {name.removesuffix(".scales") for name in tensors if name.endswith(".scales")} if settings is not None else ()
    )
    parts = {f"{module}.{part}" for module in modules for part in ("weight", "scales", "biases")}
    found: dict[str, Weight | PackedWeight] = {
        name: Weight(entry) for name, entry in tensors.items() if name not in parts
    }
    if settings is not None:
        found |= {f"{module}.weight": _packed(settings, module, tensors) for module in modules}
    return found


def _packed(settings: Config, module: str, tensors: Mapping[str, Entry]) -> PackedWeight:
    own = settings.values.get(module)
    chosen = Config(settings.path, {**settings.values, **own}) if isinstance(own, dict) else settings
    mode, bits, group = chosen.text("mode", "affine"), chosen.whole("bits"), chosen.whole("group_size")
    biases = tensors.get(f"{module}.biases")
    if mode != "affine" or bits not in WHOLE_BITS or biases is None:
        settings.refuse(
            f"{module!r} is quantized as {mode!r} with {bits} bits; only 'affine' with 2, 4 or 8 is unpacked: take the "
            "original weights, or mlx_lm.convert --dequantize"
        )
    packed, scales = tensors.get(f"{module}.weight"), tensors[f"{module}.scales"]
    if packed is None:
        settings.refuse(f"{module!r} has scales but no weights")
    columns = scales.shape[-1] * group
    fits = packed.dtype == "U32" and packed.shape == (*scales.shape[:-1], columns * bits // 32)
    if not fits or len(scales.shape) != 2 or scales.shape != biases.shape or columns * bits % 32:
        settings.refuse(f"{module!r} has weights of {packed.shape} for scales of {scales.shape} in groups of {group}")
    return PackedWeight(packed, scales, biases, bits, group)
