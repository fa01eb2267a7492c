"""BERT in numpy; its likeness to torch is shown on the real model, in tests/live."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgellm.retrieval.embed.reference import Reference, gelu
from edgellm.retrieval.embed.source import read_source
from tests.unit.retrieval.embed.folders import make_folder

INPUTS = [[2, 5, 6, 3], [2, 7, 8, 9, 10, 3], [2, 3]]


def test_gelu_is_x_times_the_normal_share() -> None:
    values = np.linspace(-6, 6, 101, dtype=np.float32)
    expected = [x * 0.5 * (1 + math.erf(x / math.sqrt(2))) for x in values.tolist()]
    assert np.allclose(gelu(values), expected, atol=1e-6)


def test_vectors_have_unit_length_and_stand_alone(tmp_path: Path) -> None:
    reference = Reference(read_source(make_folder(tmp_path / "tiny"), "tiny"))
    done: list[int] = []
    found = reference.embed(INPUTS, done.append)
    assert done == [1, 2, 3]
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert np.array_equal(reference.embed(INPUTS[::-1])[::-1], found)
    assert reference.embed([]).shape == (0, 32)


def test_the_pooling_makes_a_difference(tmp_path: Path) -> None:
    source = read_source(make_folder(tmp_path / "tiny"), "tiny")
    mean, cls = (Reference(replace(source, pooling=pooling)).embed(INPUTS[:1]) for pooling in ("mean", "cls"))
    assert not np.allclose(mean, cls, atol=0.01)
