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
        self._dropout = settings.dropout
        self._mask_key: mx.array | None = None
        bound = 1 / math.sqrt(inputs)
        self.lora_a = mx.random.uniform(-bound, bound, (inputs, settings.rank))
        self.lora_b = mx.zeros((settings.rank, outputs))

    def __call__(self, x: mx.array) -> mx.array:
        """(tokens, inputs) to (tokens, outputs)."""
        return self._changed(self.linear(x), x)

    def _changed(self, y: mx.array, x: mx.array) -> mx.array:
        """What the adapter makes of x, added to y in the same product."""
        return mx.addmm(y, (self._thinned(x) @ self.lora_a) * self._scale, self.lora_b)  # scaled where it is narrow

    @property
    def has_dropout(self) -> bool:
        """Whether a share of what is read is left out in training."""
        return self._dropout > 0

    def draw_mask(self, key: mx.array) -> None:
        """What is left out until the next drawing follows from `key`."""
        self._mask_key = key

    def _thinned(self, x: mx.array) -> mx.array:
        """x without the share that dropout leaves out (Srivastava et al. 2014), the rest as much larger."""
        if not self._dropout or not self.training:
            return x
        assert self._mask_key is not None, "no mask was drawn"
        kept = mx.random.bernoulli(1 - self._dropout, x.shape, key=self._mask_key)
        return x * kept / (1 - self._dropout)


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


def draw_masks(model: Decoder) -> None:
    """New dropout masks for the next computation, in which layers that are computed again leave out the same."""
    layers = [layer for layer in model.modules() if isinstance(layer, LoRALinear) and layer.has_dropout]
    if not layers:
        return
    for layer, key in zip(layers, mx.random.randint(0, 2**31, (len(layers), 2), mx.uint32), strict=True):
        layer.draw_mask(key)


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
