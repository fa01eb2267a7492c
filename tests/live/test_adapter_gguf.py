"""An adapter's file means to llama.cpp what it means here: the base with W + alpha / rank * (A B)^T."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgellm.engine.backend import Span
from edgellm.engine.config import EngineConfig
from edgellm.engine.llama.backend import LlamaBackend
from edgellm.export.adapter_gguf import Lora, write_adapter_gguf
from edgellm.gguf_header import raw_metadata, read_header
from edgellm.gguf_tensors import all_dequantized
from edgellm.gguf_write import of_array, write_gguf
from tests.live.tiny_models import write_dense
from tests.unit.export.loras import random_lora

pytestmark = pytest.mark.live

PROMPT = (5, 17, 33, 60, 2, 90, 41, 7)


def log_probabilities(path: str, adapter: str | None = None) -> NDArray[np.float64]:
    """Of what follows `PROMPT`."""
    backend = LlamaBackend(EngineConfig(model_path=path, context_tokens=64, threads=1, gpu_layers=0, kv_type="f16"))
    try:
        opened = None if adapter is None else backend.open_adapter(adapter)
        backend.run([Span(0, 0, PROMPT, True)], opened)
        logits = backend._logits(0).astype(np.float64)
    finally:
        backend.close()
    shifted = logits - logits.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))


def divergence(reference: NDArray[np.float64], candidate: NDArray[np.float64]) -> float:
    return float((np.exp(reference) * (reference - candidate)).sum())


def fused(base: str, lora: Lora, path: Path) -> str:
    header, tensors = read_header(Path(base)), []
    for name, values in all_dequantized(header):
        if name in lora.factors:
            a, b = lora.factors[name]
            values = values + lora.alpha / a.shape[1] * (a @ b).T
        tensors.append(of_array(name, values.astype(np.float32)))
    write_gguf(path, raw_metadata(header.path), tensors)
    return str(path)


def test_attached_and_fused_are_the_same_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    base = write_dense(tmp_path / "base.gguf")
    shapes = {
        t.name: (t.shape[0], t.shape[1])
        for t in read_header(Path(base)).tensors
        if t.name.startswith("blk.2.") and len(t.shape) == 2
    }
    assert len(shapes) == 7
    lora = random_lora(shapes, rank=4, alpha=2.0)
    expected = log_probabilities(fused(base, lora, tmp_path / "fused.gguf"))
    assert divergence(expected, log_probabilities(base)) > 1e-2
    for number, (adapter, is_right) in enumerate([(lora, True), (replace(lora, alpha=4.0), False)]):
        path = tmp_path / f"{number}.gguf"
        write_adapter_gguf(path, adapter)
        found = divergence(expected, log_probabilities(base, str(path)))
        assert found < 1e-6 if is_right else found > 1e-2, found
