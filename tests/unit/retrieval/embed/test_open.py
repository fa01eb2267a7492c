"""Which runtime computes what, and what a name means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgellm.errors import EdgeLLMError, InvalidInput, MissingExtra, ModelNotFound, ModelRejected
from edgellm.hub.cards import load_catalogue
from edgellm.retrieval.embed import open as opening
from edgellm.retrieval.embed.open import BULK_AFTER_TEXTS, DEFAULT, Embedder, Runtimes, found
from edgellm.retrieval.embed.source import EmbedderSource, read_source
from tests.unit.retrieval.embed.fake_runtime import FakeRuntime
from tests.unit.retrieval.embed.folders import TOKENS, make_folder

FEW = ["the cat"] * 3
MANY = ["the cat plays", "the"] * (BULK_AFTER_TEXTS // 2)
CLS, SEP = TOKENS.index("[CLS]"), TOKENS.index("[SEP]")


@pytest.fixture
def source(tmp_path: Path) -> EmbedderSource:
    return read_source(make_folder(tmp_path / "tiny"), "tiny")


def test_few_passages_and_every_question_go_to_the_twin(source: EmbedderSource) -> None:
    twin, bulk = FakeRuntime(), FakeRuntime()
    with Embedder(source, Runtimes(twin=twin, bulk=bulk)) as embedder:
        done: list[int] = []
        assert embedder.embed_passages(FEW, done.append).shape == (3, 8)
        assert embedder.embed_query("the").shape == (8,)
        assert done == [3]
    assert bulk.calls == []
    assert len(twin.calls) == 2
    assert twin.is_closed
    assert bulk.is_closed


def test_many_passages_go_to_torch_once_it_agreed(source: EmbedderSource) -> None:
    twin, bulk = FakeRuntime(), FakeRuntime()
    embedder = Embedder(source, Runtimes(twin=twin, bulk=bulk))
    vectors = embedder.embed_passages(MANY)
    compared, passages = bulk.calls
    assert twin.calls == [compared]
    assert len(passages) == len(MANY)
    assert np.array_equal(vectors[0], embedder.embed_query(MANY[0]))
    embedder.embed_passages(FEW)
    assert [len(call) for call in bulk.calls[2:]] == [3]


def test_many_calls_with_few_passages_are_many_passages(source: EmbedderSource) -> None:
    twin, bulk = FakeRuntime(), FakeRuntime()
    embedder = Embedder(source, Runtimes(twin=twin, bulk=bulk))
    for _ in range(BULK_AFTER_TEXTS // len(FEW) + 1):
        embedder.embed_passages(FEW)
    assert bulk.calls


def test_torch_that_computes_something_else_is_not_used(source: EmbedderSource) -> None:
    embedder = Embedder(source, Runtimes(twin=FakeRuntime(), bulk=FakeRuntime(differs_at=0)))
    with pytest.raises(ModelRejected, match="sentence-transformers computes another vector"):
        embedder.embed_passages(MANY)


def test_without_torch_the_twin_does_both(source: EmbedderSource) -> None:
    twin = FakeRuntime()
    assert Embedder(source, Runtimes(twin=twin, bulk=None)).embed_passages(MANY).shape == (len(MANY), 8)
    assert len(twin.calls) == 1


def test_texts_get_their_prefix_and_are_cut(source: EmbedderSource) -> None:
    twin = FakeRuntime()
    identity = replace(source.identity, query_prefix="the ", passage_prefix="cat ")
    embedder = Embedder(replace(source, identity=identity), Runtimes(twin=twin, bulk=None))
    embedder.embed_query("play")
    embedder.embed_passages(["play", "the " * 10_000])
    play, the, cat = TOKENS.index("play"), TOKENS.index("the"), TOKENS.index("cat")
    assert twin.calls[0] == [[CLS, the, play, SEP]]
    assert twin.calls[1] == [[CLS, cat, play, SEP], [CLS, cat, *[the] * 29, SEP]]
    assert embedder.count("the playing") == 3


def test_a_text_without_a_vector_is_refused(source: EmbedderSource) -> None:
    embedder = Embedder(source, Runtimes(twin=FakeRuntime(), bulk=None))
    with pytest.raises(InvalidInput, match="Text 1 is empty"):
        embedder.embed_passages(["the", ""])
    with pytest.raises(InvalidInput, match="is empty"):
        embedder.embed_query("  ")


def test_a_name_is_a_card_or_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(tmp_path / "My embedder")
    assert found(str(folder)) == (folder, "My-embedder")
    monkeypatch.setattr(opening, "_carried", lambda card: Path("/packages") / card)
    assert found("all-MiniLM-L6-v2") == (Path("/packages") / DEFAULT, DEFAULT)


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("all-minilm-l6", ModelNotFound, "Did you mean 'all-minilm-l6-v2'"),
        ("./no/folder", ModelNotFound, "is not a folder"),
        ("qwen3-8b", InvalidInput, "it is no embedder"),
        pytest.param("/" + "x" * 5000, ModelNotFound, "is not a folder", id="a name that no file can have"),
        ("bge-small-en-v1.5", ModelNotFound, "No package carries 'bge-small-en-v1.5'"),
        ("bge-m3", InvalidInput, "'bge-m3' cannot embed documents: its family is XLM-RoBERTa"),
    ],
)
def test_what_cannot_be_opened_is_explained(name: str, kind: type[EdgeLLMError], said: str) -> None:
    with pytest.raises(kind, match=said):
        found(name)


def test_what_is_never_read_is_an_embedder_with_a_card() -> None:
    assert {load_catalogue().get(name).kind for name in opening._UNREAD} == {"embedder"}


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_PACKAGES", {DEFAULT: "no-such-package-of-anyone"})
    with pytest.raises(MissingExtra, match=r"edgellm\[embed\]"):
        found(DEFAULT)
