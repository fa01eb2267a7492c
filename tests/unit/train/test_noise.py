"""Noise on embeddings: where it is, how strong, and that measuring and resuming see none of its chance."""

from __future__ import annotations

import math

import mlx.core as mx
import numpy as np

from edgellm.train.decoder import Decoder
from edgellm.train.goal import Imitation
from edgellm.train.lora import make_learning
from edgellm.train.noise import noise_for
from edgellm.train.objective import Objective, Share
from edgellm.train.ragged import Layout
from edgellm.train.settings import settings_for
from tests.unit.train.tiny import rows, tiny_decoder

LAYOUT = Layout(shared=3, own=(4, 16, 5))
"""Two rows and an anchor."""


def learning_decoder() -> Decoder:
    model = tiny_decoder()
    make_learning(model, settings_for("balanced", rank=4))
    return model


def test_it_is_on_the_rows_own_tokens_alone_and_falls_with_their_length() -> None:
    mx.random.seed(0)
    found = np.array(noise_for(LAYOUT, 2, 64, 10.0))
    assert found.shape == (28, 64)
    assert not found[:3].any()  # what all rows begin with
    assert not found[23:].any()  # the anchor
    for begin, end in ((3, 7), (7, 23)):
        most = 10 / math.sqrt((end - begin) * 64)
        assert 0.9 * most < np.abs(found[begin:end]).max() <= most


def test_losses_are_measured_without_it_and_steps_are_taken_with_it() -> None:
    model, chosen = learning_decoder(), tuple(rows(3))
    quiet, noisy = Objective(model, Imitation(), (), 0.0), Objective(model, Imitation(), (), 0.0, noise=10.0)
    assert noisy.measure(chosen, chosen).item() == quiet.measure(chosen, chosen).item()
    share = Share(chosen, ())
    parts = {name: each.gradients(share, share)[0][0].item() for name, each in (("quiet", quiet), ("noisy", noisy))}
    assert abs(parts["noisy"] - parts["quiet"]) > 1e-4


def test_the_same_seed_gives_the_same_step() -> None:
    model, chosen = learning_decoder(), tuple(rows(3))
    objective, share = Objective(model, Imitation(), (), 0.0, noise=10.0), Share(chosen, ())
    found = []
    for _ in range(2):
        mx.random.seed(7)
        found.append(objective.gradients(share, share)[0][0].item())
    assert found[0] == found[1]
