"""Adapters as GGUF files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgellm import disk_space
from edgellm.errors import InvalidInput
from edgellm.export.adapter_gguf import read_adapter_gguf, write_adapter_gguf
from edgellm.gguf_header import read_header
from tests.unit.export.loras import random_lora


@pytest.fixture(autouse=True)
def small_disk_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 0)


def test_the_file_has_the_names_and_shapes_that_llama_cpp_expects(tmp_path: Path) -> None:
    lora = random_lora()
    write_adapter_gguf(tmp_path / "a.gguf", lora, "lighthouse")
    header = read_header(tmp_path / "a.gguf")
    assert dict(header.metadata) == {
        "general.type": "adapter",
        "adapter.type": "lora",
        "general.architecture": "llama",
        "general.name": "lighthouse",
        "adapter.lora.alpha": 6.0,
    }
    assert {tensor.name: (tensor.shape, tensor.type.name) for tensor in header.tensors} == {
        "blk.0.attn_q.weight.lora_a": ((24, 3), "F32"),
        "blk.0.attn_q.weight.lora_b": ((3, 32), "F32"),
        "blk.1.ffn_down.weight.lora_a": ((48, 3), "F32"),
        "blk.1.ffn_down.weight.lora_b": ((3, 24), "F32"),
    }


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    lora = random_lora()
    write_adapter_gguf(tmp_path / "a.gguf", lora)
    found = read_adapter_gguf(tmp_path / "a.gguf")
    assert (found.architecture, found.alpha, list(found.factors)) == ("llama", 6.0, list(lora.factors))
    for name, factors in lora.factors.items():
        assert all(map(np.array_equal, found.factors[name], factors))


def test_factors_that_make_no_adapter_are_refused(tmp_path: Path) -> None:
    lora = random_lora()
    name, (a, b) = next(iter(lora.factors.items()))
    bad = {
        "alpha that is not 0": replace(lora, alpha=0.0),
        "alpha that is not nan": replace(lora, alpha=float("nan")),
        "needs factors": replace(lora, factors={}),
        r"shapes \(24, 3\) and \(2, 32\)": replace(lora, factors={name: (a, b[:2])}),
        "not finite": replace(lora, factors={name: (a * np.inf, b)}),
    }
    for reason, adapter in bad.items():
        with pytest.raises(InvalidInput, match=reason):
            write_adapter_gguf(tmp_path / "a.gguf", adapter)
    assert not list(tmp_path.iterdir())
