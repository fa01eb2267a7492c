"""Training jobs without an adapter form, on a tiny random model: a model comes out, and it can be used and exported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.errors import InvalidInput
from edgellm.events import Finished
from edgellm.paths import Home
from edgellm.sdk.facade import EdgeLLM
from edgellm.train.settings import Method, TrainSettings
from edgellm.types import Sampling
from tests.live.logits import decoder_logits, kl
from tests.live.model_folders import CONFIGS, make_folder

pytestmark = pytest.mark.live
TOKENS = list(range(3, 40))


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[EdgeLLM]:
    with EdgeLLM(home=Home(tmp_path / "data", tmp_path / "cache", tmp_path / "config")) as edge:
        folder = make_folder(tmp_path / "model", CONFIGS["qwen3"])
        assert isinstance(list(edge.jobs.follow(edge.models.add_folder(folder, "tiny").id))[-1], Finished)
        yield edge


@pytest.mark.parametrize("method", ["dora", "full"])
def test_a_run_ends_in_a_model(edge: EdgeLLM, tmp_path: Path, method: Method) -> None:
    rows = [{"prompt": f"Who is number {n}?", "completion": f"Number {n} is the keeper of it."} for n in range(12)]
    data = tmp_path / "faq.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = TrainSettings(method=method, steps=3, anchors=0, rank=2)
    *_, last = edge.jobs.follow(edge.training.start(data, "tiny", "mine", settings).id)
    assert isinstance(last, Finished), last
    model = edge.models.get("mine")
    assert (last.result["model"], last.result["path"], last.result["adapter"]) == ("mine", str(model.path), "")
    assert model.source == f"tiny, taught mine ({method})"
    changed = kl(decoder_logits(edge.models.get("tiny").path, TOKENS), decoder_logits(model.path, TOKENS))
    assert changed > 1e-4
    reply = edge.chat("Who is number 3?", model="mine", sampling=Sampling(temperature=0, max_tokens=4))
    assert reply.usage.completion_tokens >= 1
    with pytest.raises(InvalidInput, match="a model named 'mine' already"):
        edge.training.start("mine", "tiny", "mine", settings)
