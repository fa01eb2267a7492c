"""LoRA adapters: switched per step, refused when they are not for this model."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgellm.engine.backend import Span
from edgellm.engine.config import EngineConfig
from edgellm.engine.llama.adapters import MOST_IDLE, version_of
from edgellm.engine.llama.backend import LlamaBackend
from edgellm.errors import InvalidInput
from tests.ggufs import F32, GGUF, Tensor, string
from tests.live.starter import starter_path

pytestmark = pytest.mark.live

WIDTH, RANK = 576, 4


def write_adapter(
    path: Path, *, kind: str = "lora", architecture: str = "llama", tensor: str = "blk.5.attn_q", width: int = WIDTH
) -> str:
    """A random adapter on one tensor, strong enough to be noticed."""
    factors = np.random.default_rng(1).normal(0, 0.3, (2, RANK, width)).astype(np.float32)
    size = factors[0].nbytes
    GGUF(
        keys={
            "general.type": string("adapter"),
            "general.architecture": string(architecture),
            "adapter.type": string(kind),
            "adapter.lora.alpha": struct.pack("<If", F32, 2.0 * RANK),
        },
        tensors=[
            Tensor(f"{tensor}.weight.lora_a", (width, RANK), offset=0, size=size),
            Tensor(f"{tensor}.weight.lora_b", (RANK, WIDTH), offset=size, size=4 * RANK * WIDTH),
        ],
        data=factors[0].tobytes() + factors[1].reshape(-1)[: RANK * WIDTH].tobytes().ljust(4 * RANK * WIDTH, b"\x00"),
    ).write(path)
    return str(path)


@pytest.fixture(scope="module")
def backend() -> Iterator[LlamaBackend]:
    opened = LlamaBackend(EngineConfig(model_path=starter_path(), context_tokens=256, threads=1, max_parked=1))
    yield opened
    opened.close()


def row_with(backend: LlamaBackend, adapter: str | None) -> np.ndarray:
    """Logits after one prompt, computed with the adapter that is in the file now."""
    if adapter is None:
        return row_of(backend, None)
    opened = backend.open_adapter(adapter)
    try:
        return row_of(backend, opened)
    finally:
        backend.close_adapter(opened)


def row_of(backend: LlamaBackend, opened: str | None) -> np.ndarray:
    """The same with an adapter that is open."""
    prompt = backend.tokenize("The capital of France is", parse_special=False, add_bos=True)
    backend.run([Span(0, 0, prompt, True)], opened)
    row = backend._logits(0).copy()
    backend.trim(0, 0)
    return row


def test_adapters_change_the_output_and_leave_no_trace(backend: LlamaBackend, tmp_path: Path) -> None:
    one = write_adapter(tmp_path / "one.gguf")
    other = write_adapter(tmp_path / "other.gguf", tensor="blk.9.attn_q")
    plain = row_with(backend, None)
    adapted = row_with(backend, one)
    assert np.abs(adapted - plain).max() > 0.1
    assert np.abs(row_with(backend, other) - adapted).max() > 0.1
    assert np.array_equal(row_with(backend, None), plain)
    assert np.array_equal(row_with(backend, one), adapted)


def test_a_replaced_file_is_another_adapter_and_the_old_one_lasts_while_it_is_open(
    backend: LlamaBackend, tmp_path: Path
) -> None:
    path = write_adapter(tmp_path / "legal.gguf")
    first = backend.open_adapter(path)
    before = row_of(backend, first)
    Path(write_adapter(tmp_path / "next.gguf", tensor="blk.9.attn_q")).replace(path)
    second = backend.open_adapter(path)
    after = row_of(backend, second)
    assert first != second
    assert np.abs(after - before).max() > 0.1
    assert np.array_equal(row_of(backend, first), before)
    backend.close_adapter(first)
    assert np.array_equal(row_with(backend, path), after)
    backend.close_adapter(second)


def test_adapters_in_use_stay_loaded_and_few_of_the_others(backend: LlamaBackend, tmp_path: Path) -> None:
    used = backend.open_adapter(write_adapter(tmp_path / "used.gguf"))
    before, plain = row_of(backend, used), row_with(backend, None)
    idle = [write_adapter(tmp_path / f"{layer}.gguf", tensor=f"blk.{layer}.attn_q") for layer in range(MOST_IDLE + 2)]
    rows = [row_with(backend, path) for path in idle]
    assert list(backend._adapters._loaded) == [used, *map(version_of, idle[-MOST_IDLE:])]
    assert np.array_equal(row_of(backend, used), before)
    assert [np.array_equal(row_with(backend, path), row) for path, row in zip(idle, rows, strict=True)] == [True] * 6
    assert np.array_equal(row_with(backend, None), plain)
    backend.close_adapter(used)


def test_the_adapter_that_computed_last_can_be_freed(backend: LlamaBackend, tmp_path: Path) -> None:
    paths = [write_adapter(tmp_path / f"{layer}.gguf", tensor=f"blk.{layer}.attn_q") for layer in range(MOST_IDLE + 1)]
    plain = row_with(backend, None)
    last, *others = [backend.open_adapter(path) for path in paths]
    row = row_of(backend, last)
    for version in (last, *others):
        backend.close_adapter(version)
    assert last not in backend._adapters._loaded
    assert np.array_equal(row_with(backend, None), plain)
    with pytest.raises(InvalidInput, match="not open"):
        row_of(backend, last)
    assert np.array_equal(row_with(backend, paths[0]), row)


def test_adapters_for_something_else_are_refused(backend: LlamaBackend, tmp_path: Path) -> None:
    plain = row_with(backend, None)
    good = Path(write_adapter(tmp_path / "good.gguf")).read_bytes()
    (tmp_path / "cut.gguf").write_bytes(good[:-100])
    (tmp_path / "text.gguf").write_text("not a model")
    bad = {
        str(tmp_path / "cut.gguf"): "cannot be used",
        str(tmp_path / "text.gguf"): "cannot be used",
        str(tmp_path / "missing.gguf"): "cannot be used",
        "zero\0byte": "cannot be used",
        write_adapter(tmp_path / "arch.gguf", architecture="qwen2"): "general.architecture is 'qwen2'",
        write_adapter(tmp_path / "kind.gguf", kind="control"): "adapter.type is 'control'",
        write_adapter(tmp_path / "name.gguf", tensor="blk.99.attn_q"): "does not exist in base model",
        write_adapter(tmp_path / "shape.gguf", width=64): "incorrect shape",
        starter_path(): "general.type is 'model'",
    }
    for path, reason in bad.items():
        with pytest.raises(InvalidInput, match=reason):
            row_with(backend, path)
    assert np.array_equal(row_with(backend, None), plain)
