"""Rotary position embeddings: from config.json to GGUF metadata and factor tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgellm.export.convert.config import Config
from edgellm.gguf_write import Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LLAMA3_FACTORS, LONG_FACTORS, SHORT_FACTORS = (
    "rope_freqs.weight",
    "rope_factors_long.weight",
    "rope_factors_short.weight",
)
_SCALINGS = {"llama": ("linear", "llama3"), "phi3": ("longrope", "su")}
"""Kinds of scaling that llama.cpp and MLX compute alike, by GGUF architecture; the others know "linear" alone."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """How a family's file describes its rotation."""

    metadata: Mapping[str, Value]
    """Keys without the architecture's prefix."""
    tensors: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Factor tensors by GGUF name."""


def read_rotation(config: Config, architecture: str, head_width: int) -> Rotation:
    """The rotation in both spellings: `rope_theta` with `rope_scaling`, or the newer `rope_parameters`.

    Raises: ModelRejected for a scaling that llama.cpp or MLX does not compute for this architecture.
    """
    settings = _settings(config)
    share = settings.real("partial_rotary_factor", config.real("partial_rotary_factor", 1.0))
    if share != 1 and architecture != "phi3":
        config.refuse(f"it rotates a part of each head (partial_rotary_factor {share})")
    dimensions = int(head_width * share)
    if dimensions < 2 or dimensions % 2:
        config.refuse(f"it rotates {dimensions} of {head_width} numbers of a head")
    base = settings.real("rope_theta", config.real("rope_theta", 1_000_000.0 if architecture == "gemma3" else 10_000.0))
    metadata: dict[str, Value] = {"rope.dimension_count": dimensions, "rope.freq_base": base}
    if architecture == "gemma3":
        metadata["rope.freq_base_swa"] = _local_base(config)
    kind = settings.text("rope_type", settings.text("type", "default"))
    if kind == "default":
        return Rotation(metadata)
    if kind not in _SCALINGS.get(architecture, ("linear",)):
        config.refuse(f"it scales rope by {kind!r}, which is not converted for {architecture!r}")
    if kind == "linear":
        linear: dict[str, Value] = {"rope.scaling.type": "linear", "rope.scaling.factor": settings.real("factor")}
        return Rotation(metadata | linear)
    if kind == "llama3":
        return Rotation(metadata, {LLAMA3_FACTORS: _llama3_factors(settings, base, dimensions)})
    return _long(config, settings, metadata, dimensions)


def _settings(config: Config) -> Config:
    parameters = config.table("rope_parameters")
    if parameters is not None:
        return parameters.table("full_attention") or parameters
    return config.table("rope_scaling") or Config(config.path, {})


def _local_base(config: Config) -> float:
    parameters = config.table("rope_parameters")
    local = parameters.table("sliding_attention") if parameters is not None else None
    if local is None:
        return config.real("rope_local_base_freq", 10_000.0)
    if local.text("rope_type", "default") != "default":
        config.refuse("it scales the rope of layers with a sliding window")
    return local.real("rope_theta", 10_000.0)


def _llama3_factors(settings: Config, base: float, dimensions: int) -> tuple[float, ...]:
    """What divides each frequency (Llama 3.1): long waves by `factor`, short ones by 1, smoothly in between."""
    factor, trained = settings.real("factor"), settings.real("original_max_position_embeddings", 8192)
    low, high = settings.real("low_freq_factor", 1.0), settings.real("high_freq_factor", 4.0)
    if low >= high:
        settings.refuse(f"low_freq_factor {low} is not below high_freq_factor {high}")
    factors = []
    for number in range(0, dimensions, 2):
        wave = 2 * math.pi * base ** (number / dimensions)
        smooth = min(1.0, max(0.0, (trained / wave - low) / (high - low)))
        factors.append(1 / ((1 - smooth) / factor + smooth))
    return tuple(factors)


def _long(config: Config, settings: Config, metadata: Mapping[str, Value], dimensions: int) -> Rotation:
    """LongRoPE (Ding et al. 2024, arXiv:2402.13753): one set of factors up to the original context, another beyond."""
    long, short = settings.reals("long_factor"), settings.reals("short_factor")
    if len(long) != dimensions // 2 or len(short) != dimensions // 2:
        config.refuse(f"it has {len(long)} long and {len(short)} short rope factors, not {dimensions // 2}")
    trained = settings.whole("original_max_position_embeddings", config.whole("original_max_position_embeddings", 4096))
    if trained < 2:
        config.refuse(f"original_max_position_embeddings is {trained}")
    stretch = config.whole("max_position_embeddings") / trained
    magnitude = math.sqrt(1 + math.log(stretch) / math.log(trained)) if stretch > 1 else 1.0
    more: dict[str, Value] = {
        "rope.scaling.type": "longrope",
        "rope.scaling.original_context_length": trained,
        "rope.scaling.attn_factor": magnitude,
    }
    return Rotation({**metadata, **more}, {LONG_FACTORS: tuple(long), SHORT_FACTORS: tuple(short)})


def as_array(values: tuple[float, ...]) -> NDArray[np.float32]:
    """Factors as float32."""
    import numpy as np

    return np.array(values, dtype=np.float32)
