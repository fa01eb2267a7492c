"""Noise on embeddings: where it is, how strong, and that measuring and resuming see none of its chance."""

from __future__ import annotations

import math

import mlx.core as mx
import numpy as np

from edgellm.train.noise import noise_for
from edgellm.train.objective import Objective, Share
from edgellm.train.ragged import Layout
from tests.unit.train.tiny import rows, tiny_decoder

LAYOUT = Layout(shared=3, own=(4, 16, 5))
"""Two rows and an anchor."""


def test_it_is_on_questions_alone_and_falls_with_the_length_of_their_rows() -> None:
    mx.random.seed(0)
    found = np.array(noise_for(LAYOUT, [3 + 2, 3 + 9], 64, 10.0))
    assert found.shape == (28, 64)
    assert [at for at in range(28) if found[at].any()] == [3, 4, *range(7, 16)]
    for begin, end, own in ((3, 5, 4), (7, 16, 16)):
        most = 10 / math.sqrt(own * 64)
        assert 0.9 * most < np.abs(found[begin:end]).max() <= most


def test_a_question_that_all_rows_share_has_none() -> None:
    assert not np.array(noise_for(LAYOUT, [2, 3], 64, 10.0)).any()


def test_losses_are_measured_without_it_and_steps_are_taken_with_it() -> None:
    model, chosen = tiny_decoder(), tuple(rows(3))
    quiet, noisy = Objective(model, (), 0.0), Objective(model, (), 0.0, noise=10.0)
    assert noisy.loss(chosen).item() == quiet.loss(chosen).item()
    share = Share(chosen, ())
    parts = {name: each.gradients(share, share)[0][0].item() for name, each in (("quiet", quiet), ("noisy", noisy))}
    assert abs(parts["noisy"] - parts["quiet"]) > 1e-4


def test_the_same_seed_gives_the_same_step() -> None:
    model, chosen = tiny_decoder(), tuple(rows(3))
    objective, share = Objective(model, (), 0.0, noise=10.0), Share(chosen, ())
    found = []
    for _ in range(2):
        mx.random.seed(7)
        found.append(objective.gradients(share, share)[0][0].item())
    assert found[0] == found[1]
