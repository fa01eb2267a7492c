"""Twenty steps of our trainer against the plain way: mlx-lm's model and LoRA, padded batches, whole logits."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx import nn, optimizers
from mlx_lm.tuner.lora import LoRALinear

from edgellm.export.convert.write import convert_folder
from edgellm.train.base import open_base
from edgellm.train.batches import BatchPlan, Schedule
from edgellm.train.checkpoint import Checkpoints
from edgellm.train.decoder import Decoder
from edgellm.train.rows import Row, RowSets
from edgellm.train.schedule import learning_rate
from edgellm.train.settings import settings_for
from edgellm.train.spec import Stepped
from edgellm.train.trainer import Trainer
from tests.live.model_folders import CONFIGS, make_folder, random_model
from tests.unit.train.tiny import rows

pytestmark = pytest.mark.live

STEPS = 20
SAME = 1e-4
PLACES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
SETTINGS = settings_for(
    "balanced",
    steps=STEPS,
    rank=4,
    alpha=40.0,
    batch_rows=4,
    anchors=0,
    noise=0.0,
    learning_rate=5e-3,
    checkpoint_steps=1000,
)
ROWS = rows(10)


def test_losses_are_those_of_a_plain_implementation(tmp_path: Path) -> None:
    ours, theirs = _learning_decoder(tmp_path), random_model(CONFIGS["qwen3"])
    trainer = Trainer(ours, RowSets(train=tuple(ROWS)), SETTINGS, Checkpoints(tmp_path / "run"))
    plain = list(_plain_losses(theirs, ours))
    assert plain[-1] < 0.9 * plain[0], "it has to learn, or equal losses say nothing"
    found = [said.loss for said in trainer.run() if isinstance(said, Stepped)]
    np.testing.assert_allclose(found, plain, atol=SAME)


def test_another_loss_would_show(tmp_path: Path) -> None:
    ours, theirs = _learning_decoder(tmp_path), random_model(CONFIGS["qwen3"])
    trainer = Trainer(ours, RowSets(train=tuple(ROWS)), SETTINGS, Checkpoints(tmp_path / "run"))
    wrong = list(_plain_losses(theirs, ours, shift=1))
    found = [said.loss for said in trainer.run() if isinstance(said, Stepped)]
    assert max(abs(a - b) for a, b in zip(found, wrong, strict=True)) > 100 * SAME


def _learning_decoder(place: Path) -> Decoder:
    folder = make_folder(place / "folder", CONFIGS["qwen3"])
    return open_base(convert_folder(folder, place / "base.gguf", "F32").path)


def _plain_losses(model: Any, ours: Decoder, shift: int = 0) -> Any:
    """Loss of each step, before it. The adapters begin as ours do; `shift` moves what is supervised: a wrong way."""
    model.freeze()
    _add_adapters(model, ours)
    optimizer = optimizers.AdamW(learning_rate=0.0, weight_decay=0.0, bias_correction=True)
    schedule = Schedule(ROWS, (), BatchPlan(rows=SETTINGS.batch_rows, tokens=SETTINGS.batch_tokens, seed=SETTINGS.seed))
    for step in range(STEPS):
        tokens, mask = _padded(schedule.batch(step), shift)

        def loss(model: Any, tokens: mx.array = tokens, mask: mx.array = mask) -> mx.array:
            each = nn.losses.cross_entropy(model(tokens[:, :-1]), tokens[:, 1:])
            mean: mx.array = (each * mask[:, 1:]).sum() / mask[:, 1:].sum()
            return mean

        value, gradients = nn.value_and_grad(model, loss)(model)
        gradients, _ = optimizers.clip_grad_norm(gradients, SETTINGS.clip_norm)
        optimizer.learning_rate = learning_rate(step, STEPS, SETTINGS)
        optimizer.update(model, gradients)
        yield value.item()


def _add_adapters(model: Any, ours: Decoder) -> None:
    """As the trainer will make them: the same random numbers in the same order."""
    from edgellm.train.lora import make_learning

    mx.random.seed(SETTINGS.seed)
    twin = Decoder(ours._shape)
    mx.random.seed(SETTINGS.seed)
    make_learning(twin, SETTINGS)
    for block, layer in zip(twin.blk, model.model.layers, strict=True):
        for name, place in PLACES.items():
            holder = getattr(layer, place.split(".")[0])
            leaf = place.split(".")[1]
            adapter = LoRALinear.from_base(getattr(holder, leaf), r=SETTINGS.rank, scale=SETTINGS.scale)
            adapter.lora_a, adapter.lora_b = block[name].lora_a, block[name].lora_b
            setattr(holder, leaf, adapter)


def _padded(chosen: Sequence[Row], shift: int) -> tuple[mx.array, mx.array]:
    longest = max(len(row.tokens) for row in chosen)
    tokens = [list(row.tokens) + [0] * (longest - len(row.tokens)) for row in chosen]
    mask = [[0.0] * longest for _ in chosen]
    for row, line in zip(chosen, mask, strict=True):
        for at in itertools.chain(*(range(*span) for span in row.supervised)):
            line[max(1, at - shift)] = 1.0
    return mx.array(tokens), mx.array(mask)
