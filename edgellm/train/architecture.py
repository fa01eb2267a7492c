"""What a GGUF's metadata says about the shape of its decoder, for the families that can be trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from edgellm.errors import ModelRejected
from edgellm.gguf_header import GGUFHeader

FAMILIES = ("llama", "qwen2", "qwen3", "gemma3", "phi3")
"""`general.architecture` of trainable files; Mistral, Falcon 3 and SmolLM 1 and 2 are written as llama."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rope:
    """Rotary position embedding (Su et al. 2021, arXiv:2104.09864)."""

    dimensions: int
    base: float
    is_interleaved: bool
    """Whether neighbouring numbers form a pair (ggml's llama files), or the halves of a head do."""
    scale: float = 1.0
    """What positions are multiplied by (linear scaling)."""
    factors: str | None = None
    """Name of the tensor that divides the frequencies."""
    magnitude: float = 1.0
    """What the rotated part of queries and keys is multiplied by (long-context Phi)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A decoder-only transformer."""

    family: str
    layers: int
    width: int
    hidden: int
    heads: int
    kv_heads: int
    head_width: int
    value_width: int
    norm_epsilon: float
    vocabulary: int
    rope: Rope
    local_rope: Rope | None = None
    """Rotation in layers with a sliding window, where it differs."""
    window: int | None = None
    """Tokens that a layer with a sliding window sees."""
    window_period: int = 1
    """Every layer whose number plus one is no multiple of it has the window; 1: no layer."""
    activation: Literal["silu", "gelu"] = "silu"
    embedding_scale: float = 1.0
    attention_scale: float = 0.0
    has_fused_projections: bool = False
    """Whether query, key and value are one matrix, and gate and up another."""
    is_tied: bool = True
    """Whether the output head is the embedding."""

    def is_local(self, layer: int) -> bool:
        """Whether the layer sees a window only."""
        return self.window is not None and (layer + 1) % self.window_period != 0

    def rope_of(self, layer: int) -> Rope:
        """How the layer rotates."""
        return self.local_rope if self.local_rope is not None and self.is_local(layer) else self.rope


def read_architecture(header: GGUFHeader) -> Architecture:
    """The decoder that the file describes.

    Raises: ModelRejected for another family, or when a needed key is missing.
    """
    family = header.architecture
    if family not in FAMILIES:
        raise ModelRejected(
            f"Models of the family {family!r} cannot be trained here; {', '.join(FAMILIES)} can.",
            hint="Choose another base model.",
            path=str(header.path),
        )
    keys = _Keys(header)
    heads, width = keys.whole("attention.head_count"), keys.whole("embedding_length")
    head_width = keys.whole("attention.key_length", width // heads)
    names = {tensor.name: tensor for tensor in header.tensors}
    return Architecture(
        family=family,
        layers=keys.whole("block_count"),
        width=width,
        hidden=keys.whole("feed_forward_length"),
        heads=heads,
        kv_heads=keys.whole("attention.head_count_kv", heads),
        head_width=head_width,
        value_width=keys.whole("attention.value_length", head_width),
        norm_epsilon=keys.real("attention.layer_norm_rms_epsilon"),
        vocabulary=names["token_embd.weight"].shape[1] if "token_embd.weight" in names else 0,
        rope=_rope(keys, family, head_width, frozenset(names)),
        attention_scale=_attention_scale(keys, family, head_width),
        is_tied="output.weight" not in names,
        **_family_traits(keys, family, width, head_width),
    )


def _rope(keys: _Keys, family: str, head_width: int, names: frozenset[str]) -> Rope:
    kind = keys.header.text(f"{family}.rope.scaling.type") or "linear"  # llama.cpp's default
    if kind not in ("none", "linear", "longrope"):
        raise keys.unusable(f"the rope scaling {kind!r}")
    factors = [name for name in ("rope_freqs.weight", "rope_factors_short.weight") if name in names]
    return Rope(
        dimensions=keys.whole("rope.dimension_count", head_width),
        base=keys.real("rope.freq_base", 10_000.0),
        is_interleaved=family == "llama",
        scale=1 / (keys.real("rope.scaling.factor", 1.0) or 1.0) if kind == "linear" else 1.0,
        factors=factors[0] if factors else None,
        magnitude=keys.real("rope.scaling.attn_factor", 1.0),
    )


def _attention_scale(keys: _Keys, family: str, head_width: int) -> float:
    """What scores are multiplied by; llama.cpp knows Gemma 3 27B, which has its own, by its layers."""
    is_wide = family == "gemma3" and keys.whole("block_count") == 62
    divisor = keys.whole("embedding_length") // keys.whole("attention.head_count") if is_wide else head_width
    return float(divisor**-0.5)


def _family_traits(keys: _Keys, family: str, width: int, head_width: int) -> dict[str, Any]:
    """What only one family has."""
    if family == "gemma3":
        if keys.real("final_logit_softcapping", 0.0):
            raise keys.unusable("capped logits (final_logit_softcapping)")
        if keys.header.count("gemma3.attention.sliding_window_pattern"):
            raise keys.unusable("an order of its own of layers with a window (attention.sliding_window_pattern)")
        base = keys.real("rope.freq_base_swa", 10_000.0)
        window = keys.whole("attention.sliding_window", 0)
        return {
            "activation": "gelu",
            "embedding_scale": math.sqrt(width),
            "window": window or None,
            "window_period": keys.whole("attention.sliding_window_pattern", 6),
            "local_rope": Rope(dimensions=head_width, base=base, is_interleaved=False),
        }
    if family == "phi3":
        return {"has_fused_projections": True}
    return {}


class _Keys:
    """Metadata under the family's prefix."""

    def __init__(self, header: GGUFHeader) -> None:
        self.header = header

    def whole(self, name: str, default: int | None = None) -> int:
        value = self.header.integer(f"{self.header.architecture}.{name}")
        if value is None and default is None:
            raise self.unusable(f"no whole number under {self.header.architecture}.{name}")
        return value if value is not None else default or 0

    def real(self, name: str, default: float | None = None) -> float:
        value = self.header.metadata.get(f"{self.header.architecture}.{name}", default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.unusable(f"no number under {self.header.architecture}.{name}")
        return float(value)

    def unusable(self, what: str) -> ModelRejected:
        return ModelRejected(
            f"{str(self.header.path)!r} has {what}; it cannot be opened for training.",
            hint="Choose another base model.",
            path=str(self.header.path),
        )
