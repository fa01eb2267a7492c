"""Tiny random models of every family: mlx_lm, llama.cpp and our decoder compute the same; mistakes show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from edgellm.export.convert import write
from edgellm.export.convert.families import Family
from edgellm.export.convert.write import Converted, FloatType, convert_folder
from tests.live.logits import decoder_logits, kl, llama_logits, mlx_logits
from tests.live.model_folders import CONFIGS, LONG, MERGED_TOKENS, make_folder, random_model

pytestmark = pytest.mark.live

SAME, DIFFERENT = 1e-5, 1e-2
TOKENS = [(37 * n * n + 11 * n) % (MERGED_TOKENS - 3) + 3 for n in range(60)]
"""More than Gemma's window of 16 and Llama 3's trained 32."""
LONG_CONTEXT = 512
"""Tokens of context for which llama.cpp takes the long factors; mlx_lm always does."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("folders")


@pytest.fixture(scope="module", params=list(CONFIGS))
def converted(request: pytest.FixtureRequest, place: Path) -> tuple[str, Path]:
    name: str = request.param
    folder = make_folder(place / name, CONFIGS[name])
    return name, convert_folder(folder, place / f"{name}.gguf", "F32").path


def test_llama_cpp_computes_what_mlx_lm_does(converted: tuple[str, Path]) -> None:
    name, path = converted
    theirs = mlx_logits(random_model(CONFIGS[name]), TOKENS)
    assert kl(theirs, llama_logits(path, TOKENS, LONG_CONTEXT)) < SAME


def test_the_decoder_that_is_trained_computes_what_llama_cpp_does(converted: tuple[str, Path]) -> None:
    _, path = converted
    assert kl(llama_logits(path, TOKENS), decoder_logits(path, TOKENS)) < SAME


def test_short_factors_are_those_of_a_short_context(place: Path) -> None:
    config = CONFIGS["phi3-long"]
    path = convert_folder(make_folder(place / "short", config), place / "short.gguf", "F32").path
    always_short = config | {"rope_scaling": LONG | {"long_factor": LONG["short_factor"]}}
    theirs = mlx_logits(random_model(always_short), TOKENS)
    assert kl(theirs, llama_logits(path, TOKENS)) < SAME
    assert kl(theirs, llama_logits(path, TOKENS, LONG_CONTEXT)) > DIFFERENT


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("gemma3", {"sliding_window": 8}),
        ("gemma3", {"rope_local_base_freq": 1e6}),
        ("gemma3", {"sliding_window_pattern": 2}),
        ("qwen3", {"rope_theta": 1e4}),
        ("llama", {"rope_traditional": True}),
        ("llama3-rope", {"rope_scaling": None}),
        ("linear-rope", {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
        ("phi3", {"partial_rotary_factor": 0.5}),
        ("phi3-long", {"max_position_embeddings": 100_000}),
    ],
)
def test_a_wrong_setting_shows(place: Path, name: str, wrong: Mapping[str, Any]) -> None:
    folder = make_folder(place / f"wrong-{name}-{'-'.join(wrong)}", CONFIGS[name])
    (folder / "config.json").write_text(json.dumps({**CONFIGS[name], **wrong, "eos_token_id": 2}))
    path = convert_folder(folder, folder.with_suffix(".gguf"), "F32").path
    assert kl(mlx_logits(random_model(CONFIGS[name]), TOKENS), llama_logits(path, TOKENS, LONG_CONTEXT)) > DIFFERENT


@pytest.mark.parametrize(("name", "forgotten"), [("mistral", "rotated"), ("gemma3", "shifted")])
def test_a_forgotten_transform_shows(place: Path, monkeypatch: pytest.MonkeyPatch, name: str, forgotten: str) -> None:
    folder = make_folder(place / f"forgot-{name}", CONFIGS[name])
    kept = Family.changes
    monkeypatch.setattr(
        Family, "changes", lambda self, tensor: "" if kept(self, tensor) == forgotten else kept(self, tensor)
    )
    path = convert_folder(folder, place / f"forgot-{name}.gguf", "F32").path
    assert kl(mlx_logits(random_model(CONFIGS[name]), TOKENS), llama_logits(path, TOKENS)) > DIFFERENT


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16, mx.float32])
@pytest.mark.parametrize("type", ["F16", "BF16", "F32"])
def test_types_of_folder_and_file(place: Path, dtype: mx.Dtype, type: FloatType) -> None:
    name = f"{type}-{str(dtype).rpartition('.')[2]}"
    folder = make_folder(place / name, CONFIGS["qwen3"], dtype)
    path = convert_folder(folder, place / f"{name}.gguf", type).path
    loss = kl(mlx_logits(random_model(CONFIGS["qwen3"]), TOKENS), decoder_logits(path, TOKENS))
    assert loss < (2e-2 if type == "BF16" or dtype == mx.bfloat16 else 1e-3)


def test_what_fails_in_between_leaves_the_old_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = place / "kept.gguf"
    out.write_bytes(b"mine")
    folder = make_folder(place / "stops", CONFIGS["qwen2"])

    def stop(_source: Path, name: str, *_rest: object) -> memoryview:
        raise RuntimeError(name)

    monkeypatch.setattr(write, "as_bytes", stop)
    with pytest.raises(RuntimeError):
        convert_folder(folder, out, "F16")
    assert out.read_bytes() == b"mine"


def test_events_count_every_byte(place: Path) -> None:
    events: list[Any] = []
    folder = make_folder(place / "events", CONFIGS["qwen2"])
    result: Converted = convert_folder(folder, place / "events.gguf", "F16", events.append)
    assert events[0].title == "Convert events"
    assert events[-1].done == events[0].total == events[-1].total
    assert len(events) == result.tensors + 1
    assert result.architecture == "qwen2"
    assert result.size_bytes == result.path.stat().st_size
