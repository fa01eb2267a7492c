"""all-MiniLM-L6-v2 as both runtimes compute it: one space, whatever happens to either."""

from __future__ import annotations

import importlib.util
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import msgspec
import numpy as np
import pytest

from edgellm.errors import InvalidInput, ModelRejected, WorkerDied
from edgellm.retrieval.embed.bulk import Bulk
from edgellm.retrieval.embed.open import BULK_AFTER_TEXTS, DEFAULT, Embedder, found, open_embedder
from edgellm.retrieval.embed.probe import PROBES
from edgellm.retrieval.embed.rerank import Reranker
from edgellm.retrieval.embed.source import EmbedderSource, read_source
from edgellm.retrieval.embed.twin import Twin, TwinManifest, find_or_make_twin
from edgellm.retrieval.embed.wordpiece import WordPiece

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None, reason="sentence-transformers is not installed"
)
THEIRS = """
import sys, numpy as np
from sentence_transformers import SentenceTransformer
texts = open(sys.argv[2], encoding="utf-8", newline="").read().split("\\x1e")
model = SentenceTransformer(sys.argv[1], device="cpu", local_files_only=True)
np.save(sys.argv[3], model.encode(texts, normalize_embeddings=True, show_progress_bar=False))
"""
TINY_RERANKER = """
import sys, torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast
torch.manual_seed(0)
config = BertConfig(vocab_size=30522, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                    intermediate_size=32, num_labels=int(sys.argv[3]))
BertForSequenceClassification(config).save_pretrained(sys.argv[2])
BertTokenizerFast.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[2])
"""
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


@pytest.fixture(scope="module")
def source() -> EmbedderSource:
    return read_source(*found(DEFAULT))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedders")


@pytest.fixture(scope="module")
def made(source: EmbedderSource, kept: Path) -> tuple[Path, TwinManifest]:
    return find_or_make_twin(source, kept)


@pytest.fixture(scope="module")
def inputs(source: EmbedderSource) -> list[list[int]]:
    wordpiece = WordPiece(source.rules)
    return [wordpiece.wrapped(text, source.identity.max_tokens) for text in PROBES]


@pytest.fixture(scope="module")
def twin(source: EmbedderSource, made: tuple[Path, TwinManifest]) -> Iterator[Twin]:
    opened = Twin(made[0], source.identity, None)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def bulk(source: EmbedderSource) -> Iterator[Bulk]:
    opened = Bulk(source.folder.path)
    yield opened
    opened.close()


@pytest.fixture
def embedder(made: tuple[Path, TwinManifest]) -> Iterator[Embedder]:
    with open_embedder(kept=made[0].parent) as opened:
        yield opened


def run(script: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-c", script, *arguments], env={**os.environ, **OFFLINE}, check=True)


def test_the_twin_is_its_folder_on_every_probe(made: tuple[Path, TwinManifest]) -> None:
    parity = made[1].parity
    assert parity.texts == len(PROBES) >= 50
    assert parity.cosine_min >= 0.9999  # 0.99999 when it was written; the gate is at 0.999
    assert parity.texts_cut_alike >= len(PROBES) - 3  # Hangul, and words of more than a hundred characters


@needs_torch
def test_both_runtimes_are_sentence_transformers(
    source: EmbedderSource, twin: Twin, bulk: Bulk, inputs: list[list[int]], tmp_path: Path
) -> None:
    before = set(sys.modules)  # a test before this one may have needed torch itself
    plain = [at for at, text in enumerate(PROBES) if "[CLS]" not in text]  # which the library reads as control tokens
    (tmp_path / "texts").write_text("\x1e".join(PROBES[at] for at in plain), encoding="utf-8", newline="")
    run(THEIRS, str(source.folder.path), str(tmp_path / "texts"), str(tmp_path / "vectors.npy"))
    theirs = np.load(tmp_path / "vectors.npy")
    chosen = [inputs[at] for at in plain]
    assert (theirs * twin.embed(chosen)).sum(axis=1).min() >= 0.999
    assert (theirs * bulk.embed(chosen)).sum(axis=1).min() >= 0.999
    assert bulk.info is not None
    assert "torch" not in set(sys.modules) - before


def test_tokens_are_those_of_the_tokenizers_package(source: EmbedderSource) -> None:
    from tokenizers import Tokenizer

    original = Tokenizer.from_file(str(source.folder.path / "tokenizer.json"))
    original.no_truncation()
    original.no_padding()
    wordpiece = WordPiece(source.rules)
    settled = (*range(0x20, 0x530), *range(0x2000, 0x2C00), *range(0x3000, 0x3200), *range(0xAC00, 0xAD00))
    wrong = [
        hex(code)
        for code in settled
        if original.encode(f"a{chr(code)}b", add_special_tokens=False).ids != wordpiece.ids(f"a{chr(code)}b")
    ]
    assert not set(wrong) - {"0x378", "0x379", "0x2bff"}, wrong
    assert original.encode("a" * 101, add_special_tokens=False).ids == wordpiece.ids("a" * 101)


@pytest.mark.parametrize("runtime", ["twin", pytest.param("bulk", marks=needs_torch)])
def test_vectors_do_not_depend_on_the_batch(
    runtime: str, inputs: list[list[int]], request: pytest.FixtureRequest
) -> None:
    chosen = request.getfixturevalue(runtime)
    together = chosen.embed(inputs)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    alone = np.vstack([chosen.embed([inputs[at]]) for at in range(0, len(inputs), 4)])
    assert (alone * together[::4]).sum(axis=1).min() >= 0.999
    assert (chosen.embed(inputs[::-1])[::-1] * together).sum(axis=1).min() >= 0.999


def test_meaning_is_near_and_long_texts_are_cut(embedder: Embedder) -> None:
    passages = ["A cat sleeps on the sofa.", "Interest rates were raised by the central bank."]
    cat, bank = embedder.embed_passages(passages)
    question = embedder.embed_query("Where does the kitten nap?")
    assert question @ cat > question @ bank + 0.2
    long = "lighthouse keeper " * 600
    assert len(long) > 10_000
    limit = embedder.identity.max_tokens
    cut = "lighthouse keeper " * 400
    assert embedder.count(long) > limit
    assert embedder.embed_passages([long])[0] @ embedder.embed_query(cut) >= 0.999
    with pytest.raises(InvalidInput, match="Text 1 is empty"):
        embedder.embed_passages(["a", ""])
    assert embedder.embed_query("\u200b").shape == (384,)


def test_a_twin_that_dies_comes_back(embedder: Embedder) -> None:
    before = embedder.embed_query("before")
    twin: Any = embedder._runtimes.twin
    os.kill(twin.pid, signal.SIGKILL)
    for _ in range(20):
        try:
            assert embedder.embed_query("before") @ before >= 0.9999
            return
        except WorkerDied:
            time.sleep(0.1)
    pytest.fail("no new process was started")


@needs_torch
def test_torch_that_dies_fails_its_call_and_comes_back(bulk: Bulk, inputs: list[list[int]]) -> None:
    before = bulk.embed(inputs[:1])
    killer = threading.Timer(0.2, os.kill, [bulk.pid, signal.SIGKILL])
    killer.start()
    with pytest.raises(WorkerDied, match="SIGKILL"):
        bulk.embed(inputs * 200)
    assert bulk.embed(inputs[:1])[0] @ before[0] >= 0.999


@needs_torch
def test_many_passages_move_to_torch(embedder: Embedder) -> None:
    texts = [f"Room {number} is on floor {number // 10}." for number in range(BULK_AFTER_TEXTS)]
    done: list[int] = []
    vectors = embedder.embed_passages(texts, done.append)
    runtimes = embedder._runtimes
    assert isinstance(runtimes.bulk, Bulk)
    assert runtimes.bulk.pid
    assert done[-1] == len(texts)
    assert (vectors[:3] * embedder.embed_passages(texts[:3])).sum(axis=1).min() >= 0.999
    assert vectors[7] @ embedder.embed_query(texts[7]) >= 0.999


def test_weights_that_are_no_numbers_are_refused(source: EmbedderSource, kept: Path, tmp_path: Path) -> None:
    folder = copytree(source.folder.path, tmp_path / "broken")
    entry = source.folder.tensors["encoder.layer.3.output.dense.weight"]
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(entry.offset)
        file.write(struct.pack("<f", float("nan")))
    with pytest.raises(ModelRejected, match="not finite"):
        open_embedder(str(folder), kept=kept)


def test_a_twin_with_other_weights_is_refused(
    source: EmbedderSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgellm.retrieval.embed import twin_file

    monkeypatch.setattr(twin_file, "_POOLING", {"mean": 2, "cls": 1})  # a converter that mixes them up
    with pytest.raises(ModelRejected, match=r"llama.cpp computes another vector for probe \d+"):
        find_or_make_twin(source, tmp_path)
    assert not list(tmp_path.glob("*.json"))


def test_the_manifest_can_be_read(made: tuple[Path, TwinManifest], source: EmbedderSource) -> None:
    path, manifest = made
    assert msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=TwinManifest) == manifest
    assert manifest.identity == source.identity
    assert manifest.source == str(source.folder.path)


@needs_torch
def test_a_cross_encoder_scores_pairs(source: EmbedderSource, tmp_path: Path) -> None:
    run(TINY_RERANKER, str(source.folder.path), str(tmp_path / "one"), "1")
    texts = ["A cat sleeps.", "word " * 2000, "a"]
    with Reranker(tmp_path / "one") as reranker:
        scores = reranker.rerank("Who sleeps?", texts)
        assert scores.shape == (3,)
        assert np.allclose(reranker.rerank("Who sleeps?", texts[::-1])[::-1], scores, atol=1e-4)
        os.kill(reranker.pid, signal.SIGKILL)
        with pytest.raises(WorkerDied):
            reranker.rerank("Who sleeps?", texts)
        assert np.allclose(reranker.rerank("Who sleeps?", texts), scores, atol=1e-4)


@needs_torch
def test_a_classifier_is_no_reranker(source: EmbedderSource, tmp_path: Path) -> None:
    run(TINY_RERANKER, str(source.folder.path), str(tmp_path / "three"), "3")
    with pytest.raises(ModelRejected, match="3 scores a pair"):
        Reranker(tmp_path / "three")
