"""Folders of safetensors enter the library by a job, and are chatted with, exported and opened for training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mlx.core as mx
import pytest

from edgellm.errors import ModelRejected
from edgellm.events import Finished, Started
from edgellm.gguf_header import read_header
from edgellm.paths import Home
from edgellm.sdk.facade import EdgeLLM
from edgellm.types import Sampling
from tests.live.logits import decoder_logits, kl, mlx_logits
from tests.live.model_folders import CONFIGS, MERGED_TOKENS, make_folder, random_model

pytestmark = pytest.mark.live
TOKENS = [(31 * n * n + 7 * n) % (MERGED_TOKENS - 3) + 3 for n in range(40)]


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[EdgeLLM]:
    with EdgeLLM(home=Home(tmp_path / "data", tmp_path / "cache", tmp_path / "config")) as edge:
        yield edge


def test_a_folder_becomes_a_model_of_the_library(edge: EdgeLLM, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "Tiny Qwen3", CONFIGS["qwen3"], mx.bfloat16)
    *events, last = edge.jobs.follow(edge.models.add_folder(folder).id)
    assert isinstance(last, Finished), last
    assert next(event.title for event in events if isinstance(event, Started)) == "Convert Tiny Qwen3"
    model = edge.models.get("Tiny-Qwen3")
    assert (last.result["name"], last.result["type"], model.source) == ("Tiny-Qwen3", "BF16", str(folder))
    assert edge.models.inspect("Tiny-Qwen3").quantization == "BF16"
    assert edge.models.verify("Tiny-Qwen3") == model
    reply = edge.chat("Hello", model="Tiny-Qwen3", sampling=Sampling(temperature=0, max_tokens=4))
    assert 1 <= reply.usage.completion_tokens <= 4
    assert kl(mlx_logits(random_model(CONFIGS["qwen3"]), TOKENS), decoder_logits(model.path, TOKENS)) < 2e-2


def test_a_folder_whose_weights_lie_is_refused_by_the_job(edge: EdgeLLM, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model", CONFIGS["qwen3"] | {"hidden_size": 32})
    (folder / "config.json").write_text(
        (folder / "config.json").read_text().replace('"hidden_size": 32', '"hidden_size": 64')
    )
    *_, last = edge.jobs.follow(edge.models.add_folder(folder).id)
    assert getattr(last, "error", "") == ModelRejected.__name__
    assert [path.name for path in edge.home.models.iterdir()] == []


def test_an_export_comes_back_as_the_same_model(edge: EdgeLLM, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model", CONFIGS["mistral"])
    assert isinstance(list(edge.jobs.follow(edge.models.add_folder(folder, "one", "F32").id))[-1], Finished)
    last = list(edge.jobs.follow(edge.exports.start("one", to="hf").id))[-1]
    assert isinstance(last, Finished), last
    assert last.result["passed"]
    again = edge.models.add_folder(last.result["path"], "two", "F32")
    assert isinstance(list(edge.jobs.follow(again.id))[-1], Finished)
    one, two = (read_header(edge.models.get(name).path) for name in ("one", "two"))
    assert [tensor.name for tensor in one.tensors] == [tensor.name for tensor in two.tensors]
    assert kl(decoder_logits(one.path, TOKENS), decoder_logits(two.path, TOKENS)) < 1e-9
