"""A base whose linear layers are held in four bits while an adapter on them learns (QLoRA).

Dettmers et al. 2023, arXiv:2305.14314, with MLX's affine quantization in place of NF4. Meant for Metal and CUDA, whose
kernels compute with packed weights as fast as with full ones; on a CPU it saves memory and costs time.
"""

from __future__ import annotations

from collections.abc import Iterator

import mlx.core as mx
from mlx import nn

from edgellm.train.decoder import Decoder
from edgellm.train.settings import QUANTIZED_BITS, QUANTIZED_GROUP, TARGETS

_PARTS = ("weight", "scales", "biases")


def hold_quantized(model: Decoder) -> None:
    """Put a packed layer in each place that may have an adapter, its weights to be loaded."""
    nn.quantize(model, QUANTIZED_GROUP, QUANTIZED_BITS, class_predicate=_is_packed)


def packed(name: str, weight: mx.array, model: Decoder) -> Iterator[tuple[str, mx.array]]:
    """A tensor by its name in a model: packed where the model holds it so."""
    layer = _layer(model, name)
    if not isinstance(layer, nn.QuantizedLinear) or not name.endswith(".weight"):
        yield name, weight
        return
    parts = mx.quantize(weight, QUANTIZED_GROUP, QUANTIZED_BITS)
    mx.eval(parts)  # so that the full weight can go
    for part, value in zip(_PARTS, parts, strict=True):
        yield f"{name.removesuffix('weight')}{part}", value


def _is_packed(path: str, layer: nn.Module) -> bool:
    is_target = path.rpartition(".")[2] in TARGETS and isinstance(layer, nn.Linear)
    return is_target and layer.weight.shape[1] % QUANTIZED_GROUP == 0


def _layer(model: Decoder, name: str) -> nn.Module | None:
    owner: object = model
    for part in name.split(".")[:-1]:
        owner = owner[int(part)] if isinstance(owner, list) else getattr(owner, part, None)
    return owner if isinstance(owner, nn.Module) else None
