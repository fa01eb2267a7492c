"""Low-rank adapters on the linear layers of a decoder."""

from __future__ import annotations

import math

import mlx.core as mx
from mlx import nn

from edgellm.train.decoder import Block, Decoder
from edgellm.train.settings import TrainSettings

SHORTEST = 1e-12
"""A shorter row, as pruned models have some of zeros alone, has no direction: it stays what it is."""


class LoRALinear(nn.Module):
    """A frozen linear layer plus `scale` * x A B (Hu et al. 2021, arXiv:2106.09685).

    A is (inputs, rank), B is (rank, outputs) and starts at zero, so that a new adapter changes nothing.
    """

    def __init__(self, base: nn.Linear | nn.QuantizedLinear, settings: TrainSettings) -> None:
        super().__init__()
        outputs, inputs = _sizes(base)
        self.linear = base
        self._scale = settings.scale
        self._dropout = nn.Dropout(settings.dropout) if settings.dropout else None
        bound = 1 / math.sqrt(inputs)
        self.lora_a = mx.random.uniform(-bound, bound, (inputs, settings.rank))
        self.lora_b = mx.zeros((settings.rank, outputs))

    def __call__(self, x: mx.array) -> mx.array:
        """(tokens, inputs) to (tokens, outputs)."""
        return self._changed(self.linear(x), x)

    def _changed(self, y: mx.array, x: mx.array) -> mx.array:
        """What the adapter makes of x, added to y in the same product."""
        x = x if self._dropout is None else self._dropout(x)
        return mx.addmm(y, (x @ self.lora_a) * self._scale, self.lora_b)  # scaled where it is narrow


class DoRALinear(LoRALinear):
    """LoRA whose rows keep a learnt length of their own (Liu et al. 2024, arXiv:2402.09353).

    As in the paper's section 4.3, the length of W + `scale` * (A B)^T is taken as a constant by the gradient.
    """

    def __init__(self, base: nn.Linear, settings: TrainSettings) -> None:
        super().__init__(base, settings)
        self.magnitude = mx.linalg.norm(base.weight, axis=1)

    def __call__(self, x: mx.array) -> mx.array:
        """(tokens, inputs) to (tokens, outputs)."""
        weight = self.linear.weight + self._scale * (self.lora_a @ self.lora_b).T
        length = mx.stop_gradient(mx.maximum(mx.linalg.norm(weight, axis=1), SHORTEST))
        bias = self.linear.bias if "bias" in self.linear else 0.0
        return (self.magnitude / length) * self._changed(self.linear(x) - bias, x) + bias


def _sizes(layer: nn.Linear | nn.QuantizedLinear) -> tuple[int, int]:
    """(outputs, inputs)."""
    outputs, inputs = layer.weight.shape
    if isinstance(layer, nn.QuantizedLinear):
        inputs = inputs * layer.weight.itemsize * 8 // layer.bits
    return outputs, inputs


def make_learning(model: Decoder, settings: TrainSettings) -> None:
    """Let what the settings say learn, in the model's top layers; everything else is frozen."""
    model.freeze()
    blocks = learning_blocks(model, settings)
    if settings.method == "full":
        for module in blocks if settings.layers is not None else [model]:
            module.unfreeze()
        return
    kind = DoRALinear if settings.method == "dora" else LoRALinear
    for block in blocks:
        for name in settings.targets:
            if name in block:
                setattr(block, name, kind(block[name], settings))


def learning_blocks(model: Decoder, settings: TrainSettings) -> list[Block]:
    """The layers that learn, lowest first."""
    count = len(model.blk) if settings.layers is None else min(settings.layers, len(model.blk))
    return list(model.blk[len(model.blk) - count :])
