"""BERT's tensors by llama.cpp's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgellm.errors import ModelRejected
from edgellm.retrieval.embed.source import read_source
from edgellm.retrieval.embed.weights import read_weights, shapes
from tests.unit.retrieval.embed.folders import SHAPE, make_folder, save, weights

QUERY = "encoder.layer.1.attention.self.query.weight"


def read(tmp_path: Path, tensors: dict[str, Any]) -> dict[str, Any]:
    folder = make_folder(tmp_path / "tiny")
    save(folder, tensors)
    return {name: entry.rows() for name, entry in read_weights(read_source(folder, "tiny")).items()}


def test_each_tensor_is_found_under_its_name(tmp_path: Path) -> None:
    tensors = weights()
    found = read(tmp_path, tensors)
    assert {name: values.shape for name, values in found.items()} == shapes(SHAPE)
    assert np.array_equal(found["blk.1.attn_q.weight"], tensors[QUERY])
    assert np.array_equal(found["token_embd_norm.bias"], tensors["embeddings.LayerNorm.bias"])


def test_a_prefix_and_the_head_of_pre_training_are_passed_over(tmp_path: Path) -> None:
    tensors = {f"bert.{name}": values for name, values in weights().items()}
    extra = {"cls.predictions.bias": np.zeros(3, np.float32), "embeddings.position_ids": np.zeros((1, 64), np.int64)}
    found = read(tmp_path, tensors | extra | {"pooler.dense.weight": np.zeros((32, 32), np.float32)})
    assert len(found) == len(shapes(SHAPE))


def without(tensors: dict[str, Any]) -> None:
    del tensors[QUERY]


def misshapen(tensors: dict[str, Any]) -> None:
    tensors[QUERY] = tensors[QUERY][:-1]


def unknown(tensors: dict[str, Any]) -> None:
    tensors["encoder.layer.1.attention.gate.weight"] = tensors[QUERY]


def deeper(tensors: dict[str, Any]) -> None:
    tensors["encoder.layer.2.attention.self.query.weight"] = tensors[QUERY]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without, "no tensor for 'blk.1.attn_q.weight'"),
        (misshapen, r"has the shape \(31, 32\), not \(32, 32\)"),
        (unknown, "does not belong to a BERT encoder"),
        (deeper, "beyond the 2 layers"),
    ],
)
def test_a_set_of_tensors_that_is_not_the_shapes_is_refused(tmp_path: Path, change: Any, reason: str) -> None:
    tensors = weights()
    change(tensors)
    with pytest.raises(ModelRejected, match=reason):
        read(tmp_path, tensors)
