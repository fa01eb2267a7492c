"""From a number of parameters to layers, width and heads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from edgellm.errors import InvalidInput

LEAST, MOST = 500_000, 50_000_000
"""Parameters. Below, nothing like a sentence comes out; above, days on one machine do not suffice."""
ASPECT = 32
"""Width over layers. Small models gain from depth (Liu et al. 2024, arXiv:2402.14905): SmolLM2 has 19, GPT-2 64."""
TOLERANCE = 0.1
"""How far the parameters may be from what was asked for; the aspect decides within it."""
_WIDTHS = range(64, 1025, 32)
_LAYERS = range(2, 49)
_VOCABULARIES = ((1_000_000, 1024), (2_000_000, 2048), (8_000_000, 4096), (20_000_000, 8192), (math.inf, 16_384))
"""(parameters below, tokens): the embedding stays about a quarter of the model, as vocabularies should grow with models
(Tao et al. 2024, arXiv:2407.13623)."""
_UNITS = {"k": 1e3, "m": 1e6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A llama-architecture decoder whose head is its embedding (Touvron et al. 2023, arXiv:2302.13971)."""

    vocabulary: int
    layers: int
    width: int
    context_tokens: int

    @property
    def head_width(self) -> int:
        """32 in narrow models, so that there are several heads; 64 where the width is a multiple of it."""
        return 64 if self.width >= 256 and self.width % 64 == 0 else 32

    @property
    def hidden(self) -> int:
        """Eight thirds of the width, as SwiGLU's three matrices are to cost what two of four times it do."""
        return 32 * math.ceil(self.width * 8 / 3 / 32)

    @property
    def parameters(self) -> int:
        """All weights."""
        layer = 4 * self.width**2 + 3 * self.width * self.hidden + 2 * self.width
        return self.vocabulary * self.width + self.layers * layer + self.width

    def config(self) -> dict[str, Any]:
        """The model in the words of a config.json."""
        heads = self.width // self.head_width
        return {
            "model_type": "llama",
            "vocab_size": self.vocabulary,
            "num_hidden_layers": self.layers,
            "hidden_size": self.width,
            "intermediate_size": self.hidden,
            "num_attention_heads": heads,
            "num_key_value_heads": heads,
            "head_dim": self.head_width,
            "max_position_embeddings": self.context_tokens,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10_000.0,
            "tie_word_embeddings": True,
        }


def choose_shape(parameters: int, vocabulary: int, context_tokens: int) -> Shape:
    """The shape nearest to `ASPECT` among those of about so many parameters."""
    shapes = [
        Shape(vocabulary=vocabulary, layers=layers, width=width, context_tokens=context_tokens)
        for width in _WIDTHS
        for layers in _LAYERS
    ]
    near = [shape for shape in shapes if _apart(shape.parameters, parameters) <= math.log1p(TOLERANCE)]
    if not near:  # between two shapes of a very small model
        return min(shapes, key=lambda shape: _apart(shape.parameters, parameters))
    return min(near, key=lambda shape: (_apart(shape.width / shape.layers, ASPECT), shape.layers))


def vocabulary_for(parameters: int) -> int:
    """How many tokens suit a model of so many parameters."""
    return next(tokens for below, tokens in _VOCABULARIES if parameters < below)


def parameters_from(text: str) -> int:
    """`3M`, `500k` or `2500000` as a number. Raises: InvalidInput for another text, or a size that is not made here."""
    digits, unit = (text[:-1], _UNITS.get(text[-1:].lower(), 0)) if text[-1:].isalpha() else (text, 1.0)
    try:
        found = float(digits) * unit
    except ValueError:
        found = 0.0
    if not LEAST <= found <= MOST:  # also false for nan
        raise InvalidInput(
            f"A model of {text!r} parameters cannot be made; {LEAST / 1e6:g}M to {MOST / 1e6:g}M can.",
            hint="Write it like 3M or 800k.",
            field="parameters",
        )
    return round(found)


def _apart(found: float, wanted: float) -> float:
    return abs(math.log(found / wanted))
