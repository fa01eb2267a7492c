"""PEFT folders come back as the adapters they were written from; what is none is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from edgellm.errors import InvalidInput, ModelRejected
from edgellm.export.from_peft import CONFIG, WEIGHTS, read_peft
from edgellm.export.peft import write_peft
from edgellm.gguf_header import GGUFHeader, read_header
from tests.ggufs import GGUF, model_keys, string
from tests.unit.export.loras import random_lora
from tests.unit.export.test_peft import FAMILIES


def header(place: Path, family: str = "llama") -> GGUFHeader:
    """Four query heads and two key heads."""
    return read_header(GGUF(model_keys(general__architecture=string(family))).write(place / "base.gguf"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "peft"
    place.mkdir()
    write_peft(place, random_lora(), header(tmp_path), "base")
    return place


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_comes_back(tmp_path: Path, family: str) -> None:
    adapter = random_lora({f"blk.7.{part}.weight": (16, 32) for part in FAMILIES[family]}, architecture=family)
    base = header(tmp_path, family)
    write_peft(tmp_path, adapter, base, "base")
    back = read_peft(tmp_path, base)
    assert (back.architecture, back.alpha) == (family, adapter.alpha)
    assert set(back.factors) == set(adapter.factors)
    for name, (a, b) in adapter.factors.items():
        np.testing.assert_array_equal(back.factors[name][0], a)
        np.testing.assert_array_equal(back.factors[name][1], b)


def test_rows_that_stay_in_another_order_show(tmp_path: Path, folder: Path) -> None:
    adapter = random_lora()
    raw = load_file(folder / WEIGHTS)["base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"]
    assert not np.array_equal(raw.T, adapter.factors["blk.0.attn_q.weight"][1])
    np.testing.assert_array_equal(
        read_peft(folder, header(tmp_path)).factors["blk.0.attn_q.weight"][1],
        adapter.factors["blk.0.attn_q.weight"][1],
    )


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"r": 4, "lora_alpha": 6.0}, "no pair of matrices of the rank 4"),
        ({"r": "3", "lora_alpha": 6.0}, "no configuration of a LoRA adapter"),
        ({"lora_alpha": 6.0}, "no configuration of a LoRA adapter"),
    ],
)
def test_a_configuration_that_does_not_fit(tmp_path: Path, folder: Path, config: Any, reason: str) -> None:
    (folder / CONFIG).write_text(json.dumps(config))
    with pytest.raises(InvalidInput, match=reason):
        read_peft(folder, header(tmp_path))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("base_model.model.model.layers.0.mlp.down_proj.lora_A.weight", "no pair of matrices"),
        ("base_model.model.lm_head.lora_A.weight", "belongs to no linear layer"),
        ("base_model.model.model.layers.0.mlp.experts.lora_A.weight", "belongs to no linear layer"),
    ],
)
def test_matrices_that_belong_nowhere(tmp_path: Path, folder: Path, name: str, reason: str) -> None:
    save_file(load_file(folder / WEIGHTS) | {name: np.zeros((3, 8), np.float32)}, folder / WEIGHTS)
    with pytest.raises(InvalidInput, match=reason):
        read_peft(folder, header(tmp_path))


def test_links_are_refused(tmp_path: Path, folder: Path) -> None:
    (folder / CONFIG).rename(tmp_path / "elsewhere")
    (folder / CONFIG).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelRejected, match="symbolic link"):
        read_peft(folder, header(tmp_path))
