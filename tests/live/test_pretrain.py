"""A model from nothing, through a job: llama.cpp computes what was learnt, reads as it was taught, and it chats."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from edgellm.errors import DataRejected, InvalidInput
from edgellm.events import Failed, Finished, Measured, Progressed
from edgellm.export.convert.probe import TEXTS
from edgellm.gguf_header import read_header
from edgellm.pretrain.corpus import read_corpus
from edgellm.pretrain.shape import vocabulary_for
from edgellm.pretrain.tokenizer import open_tokenizer, train_tokenizer, vocabulary_of
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.pretraining import PretrainRequest
from edgellm.settings import Settings
from edgellm.store import JobState
from edgellm.types import Sampling
from tests.live.logits import decoder_logits, kl, llama_logits
from tests.unit.pretrain.texts import text_folder

pytestmark = [pytest.mark.live, pytest.mark.timeout(500)]

SAME = 1e-4
STEPS = 30


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeLLM]:
    home = tmp_path_factory.mktemp("pretraining")
    with pytest.MonkeyPatch.context() as patch, EdgeLLM(home=home, settings=Settings(threads=1)) as made:
        patch.setenv("OPENBLAS_NUM_THREADS", "1")  # a small product gains nothing from threads that wait for it
        yield made


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = text_folder(tmp_path_factory.mktemp("texts"))
    (folder / "noise.txt").write_bytes(b"\x00\xff")
    return folder


@pytest.fixture(scope="module")
def made(edge: EdgeLLM, texts: Path) -> tuple[dict[str, Any], list[float]]:
    return finish(edge, edge.pretraining.start(request(texts, "tales")).id)


def request(texts: Path, name: str, steps: int = STEPS) -> PretrainRequest:
    return PretrainRequest(folder=str(texts), name=name, parameters=500_000, context_tokens=64, steps=steps)


def finish(edge: EdgeLLM, job_id: str) -> tuple[dict[str, Any], list[float]]:
    """The result and the loss of each step."""
    losses: list[float] = []
    for event in edge.jobs.follow(job_id):
        if isinstance(event, Measured) and "loss" in event.values:
            losses.append(event.values["loss"])
        if isinstance(event, Finished):
            return event.result, losses
        assert not isinstance(event, Failed), event
    raise AssertionError("the job ended without a result")


def test_it_learns_and_says_from_what(made: tuple[dict[str, Any], list[float]]) -> None:
    result, losses = made
    assert len(losses) == STEPS
    assert losses[-1] < 0.8 * losses[0]
    assert result["losses"]["valid_best"] < 0.8 * losses[0]
    assert (result["files"], result["skipped"]) == (3, 1)
    assert any("noise.txt" in note for note in result["notes"])
    assert any("million characters" in note for note in result["notes"])
    assert result["sample"].startswith(result["opening"])
    assert len(result["sample"]) > len(result["opening"])


def test_llama_cpp_computes_what_was_learnt(edge: EdgeLLM, made: tuple[dict[str, Any], list[float]]) -> None:
    path = Path(made[0]["path"])
    tokens = [token.id for token in edge.tokenize("The old cook found a brass lamp on the hill.", model="tales")]
    tokens = [0, *tokens, *(at * at % 256 for at in range(30))]
    assert kl(llama_logits(path, tokens), decoder_logits(path, tokens)) < SAME
    wrong = [*tokens[:5], tokens[5] + 1, *tokens[6:]]
    assert kl(llama_logits(path, tokens), decoder_logits(path, wrong)) > 100 * SAME


def test_llama_cpp_reads_as_it_was_taught(edge: EdgeLLM, texts: Path, made: tuple[dict[str, Any], list[float]]) -> None:
    passages = read_corpus(texts).passages
    content = train_tokenizer(passages, vocabulary_for(500_000))
    assert vocabulary_of(content) == made[0]["vocabulary"]
    tokenizer = open_tokenizer(content)
    for text in (*TEXTS, *passages[:3], "a <|endoftext|> b"):
        wanted = tokenizer.encode(text, add_special_tokens=False).ids
        assert [token.id for token in edge.tokenize(text, model="tales")] == wanted


def test_it_is_a_model_like_any_other(edge: EdgeLLM, texts: Path, made: tuple[dict[str, Any], list[float]]) -> None:
    model = edge.models.get("tales")
    assert model.source == f"pretrained on {texts}"
    assert edge.models.verify("tales").sha256 == model.sha256
    assert edge.models.inspect("tales").has_chat_template
    facts = json.loads(read_header(model.path).text("edgellm.pretraining") or "")
    assert facts["tokens"] == made[0]["tokens"]
    reply = edge.chat("The old cook", model="tales", sampling=Sampling(temperature=0, max_tokens=12))
    assert reply.text.strip()
    assert not reply.notices


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_to_the_same_model(
    edge: EdgeLLM, texts: Path, made: tuple[dict[str, Any], list[float]]
) -> None:
    job = edge.pretraining.start(request(texts, "killed"))
    seen = 0
    for event in edge.jobs.follow(job.id):
        seen += isinstance(event, Measured) and "loss" in event.values
        if seen == 15:
            _kill_all_of(edge, job.id)
            seen += 1
    assert edge.jobs.get(job.id).state is JobState.FAILED
    result, losses = finish(edge, edge.jobs.resume(job.id).id)
    assert goes_on_from(edge, job.id) > 0
    assert losses == made[1], "shown from its first step on"
    assert result["losses"]["last"] == made[0]["losses"]["last"]


def goes_on_from(edge: EdgeLLM, job_id: str) -> int:
    """The step from which a resumed job went on."""
    notes = [event.note for event in edge.jobs.follow(job_id) if isinstance(event, Progressed)]
    return next(int(note.rpartition(" ")[2]) for note in notes if note.startswith("going on from step"))


def _kill_all_of(edge: EdgeLLM, job_id: str) -> None:
    pid = edge.jobs.get(job_id).pid
    assert pid is not None
    runner = psutil.Process(pid)
    for process in [runner, *runner.children(recursive=True)]:
        os.kill(process.pid, signal.SIGKILL)


@pytest.mark.slow
def test_who_cancels_loses_no_step(edge: EdgeLLM, texts: Path) -> None:
    job = edge.pretraining.start(request(texts, "cancelled", steps=24))
    seen = 0
    for event in edge.jobs.follow(job.id):
        seen += isinstance(event, Measured) and "loss" in event.values
        if seen == 3:
            break
    assert edge.jobs.cancel(job.id).state is JobState.CANCELLED
    result, losses = finish(edge, edge.jobs.resume(job.id).id)
    assert goes_on_from(edge, job.id) >= seen
    assert result["steps"] == len(losses) == 24


@pytest.mark.slow
def test_time_decides_on_the_steps(edge: EdgeLLM, texts: Path) -> None:
    asked = PretrainRequest(folder=str(texts), name="timed", parameters=500_000, context_tokens=64, minutes=0.1)
    result, losses = finish(edge, edge.pretraining.start(asked).id)
    assert result["steps"] == len(losses) >= 10
    assert not (edge.home.jobs / edge.jobs.list()[0].id / "run").exists()


def test_a_taken_name_and_too_little_text_are_refused(
    edge: EdgeLLM, tmp_path: Path, texts: Path, made: tuple[dict[str, Any], list[float]]
) -> None:
    with pytest.raises(InvalidInput, match="already"):
        edge.pretraining.start(request(texts, made[0]["model"]))
    (tmp_path / "note.txt").write_text("Too short.")
    job = edge.pretraining.start(request(tmp_path, "short"))
    last = list(edge.jobs.follow(job.id))[-1]
    assert isinstance(last, Failed)
    assert last.error == DataRejected.__name__
    assert "at least 20,000 are needed" in last.message
