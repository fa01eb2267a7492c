"""Small random adapters for tests."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgellm.export.adapter_gguf import Lora

SHAPES = {"blk.0.attn_q.weight": (24, 32), "blk.1.ffn_down.weight": (48, 24)}
"""(inputs, outputs) by tensor name."""


def random_lora(
    shapes: Mapping[str, tuple[int, int]] = SHAPES, *, rank: int = 3, alpha: float = 6.0, architecture: str = "llama"
) -> Lora:
    """An adapter that changes its base noticeably."""
    chance = np.random.default_rng(5)

    def factor(*shape: int) -> np.ndarray:
        return chance.normal(0, 0.3, shape).astype(np.float32)

    return Lora(architecture, alpha, {name: (factor(i, rank), factor(rank, o)) for name, (i, o) in shapes.items()})
