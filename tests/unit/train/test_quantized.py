"""An adapter on a base in four bits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from mlx import nn
from mlx.utils import tree_flatten

from edgellm.gguf_write import encoded, of_array, write_gguf
from edgellm.train.base import open_base
from edgellm.train.checkpoint import Checkpoints
from edgellm.train.decoder import Decoder
from edgellm.train.goal import Imitation
from edgellm.train.objective import Objective
from edgellm.train.plan import plan_run
from edgellm.train.rows import RowSets
from edgellm.train.settings import TARGETS, settings_for
from edgellm.train.spec import Stepped
from edgellm.train.trainer import Trainer
from tests.unit.train.tiny import SHAPE, rows

WIDE = replace(
    SHAPE,
    width=64,
    hidden=128,
    head_width=16,
    value_width=16,
    attention_scale=0.25,
    rope=replace(SHAPE.rope, dimensions=16),
)
METADATA: dict[str, str | int | float] = {
    "general.architecture": "llama", "llama.block_count": WIDE.layers, "llama.embedding_length": WIDE.width,
    "llama.feed_forward_length": WIDE.hidden, "llama.attention.head_count": WIDE.heads,
    "llama.attention.head_count_kv": WIDE.kv_heads, "llama.attention.key_length": WIDE.head_width,
    "llama.attention.value_length": WIDE.value_width, "llama.attention.layer_norm_rms_epsilon": WIDE.norm_epsilon,
    "llama.rope.dimension_count": WIDE.rope.dimensions,
}  # fmt: skip
ROWS = tuple(rows(8))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The decoder as a file."""
    mx.random.seed(7)
    weights = tree_flatten(Decoder(WIDE).parameters())
    tensors = [of_array(name, np.array(value)) for name, value in weights]
    path = tmp_path / "base.gguf"
    write_gguf(path, {key: encoded(value) for key, value in METADATA.items()}, tensors)
    return path


def packed_layers(model: Decoder) -> list[nn.QuantizedLinear]:
    return [layer for _, layer in model.named_modules() if isinstance(layer, nn.QuantizedLinear)]


def unpacked(model: Decoder) -> Decoder:
    """The same weights, as they are after packing, in float32."""
    plain = Decoder(WIDE)
    weights = {}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.QuantizedLinear):
            weights[f"{name}.weight"] = mx.dequantize(
                layer.weight, layer.scales, layer.biases, layer.group_size, layer.bits
            )
    rest = {
        name: value
        for name, value in tree_flatten(model.parameters())
        if name.rpartition(".")[0] + ".weight" not in weights
    }
    plain.load_weights(list((weights | rest).items()))
    return plain


def test_all_places_for_an_adapter_are_packed_and_nothing_else(base: Path) -> None:
    model = open_base(base, is_quantized=True)
    assert len(packed_layers(model)) == 7 * WIDE.layers
    assert type(model.token_embd) is nn.Embedding
    assert not packed_layers(open_base(base))


def test_losses_and_gradients_are_those_of_the_unpacked_weights(base: Path) -> None:
    model = open_base(base, is_quantized=True)
    settings = settings_for("balanced", method="qlora", rank=4, anchors=0, steps=6, batch_rows=4)
    runs: list[list[float]] = []
    for each in (model, unpacked(model)):
        each.freeze()
        trainer = Trainer(each, RowSets(train=ROWS), settings, Checkpoints(base.parent / str(len(runs))))
        runs.append([said.loss for said in trainer.run() if isinstance(said, Stepped)])
    assert runs[0][-1] < runs[0][0]
    np.testing.assert_allclose(runs[0], runs[1], atol=2e-4)


def test_packing_is_near_the_full_weights_and_not_the_same(base: Path) -> None:
    full, packed = (
        Objective(open_base(base, is_quantized=is_quantized), Imitation(), (), 0.0).measure(ROWS, ROWS).item()
        for is_quantized in (False, True)
    )
    assert full != packed
    assert packed == pytest.approx(full, rel=0.05)


def test_a_plan_counts_the_packed_bytes(base: Path) -> None:
    model = open_base(base, is_quantized=True)
    held = sum(value.nbytes for _, value in tree_flatten(model.parameters()))
    parameters = sum(value.size for _, value in tree_flatten(open_base(base).parameters()))
    plan = plan_run(WIDE, RowSets(train=ROWS), settings_for("balanced", method="qlora"), parameters)
    assert plan.weights_bytes == held
    assert set(TARGETS) >= {
        name.rpartition(".")[2] for name, layer in model.named_modules() if isinstance(layer, nn.QuantizedLinear)
    }
