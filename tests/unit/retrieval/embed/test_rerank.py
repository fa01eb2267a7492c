"""Pairs scored by a child that may die."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgellm.errors import EngineError, InvalidInput, MissingExtra, ModelRejected, WorkerDied
from edgellm.retrieval.embed.rerank import Reranker
from tests.unit.retrieval.embed.fake_child import CRASH, NAN
from tests.unit.retrieval.embed.folders import make_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "rerank")


@pytest.mark.usefixtures("fake_children")
def test_each_text_gets_a_score_in_order(folder: Path) -> None:
    with Reranker(folder) as reranker:
        assert reranker.rerank("how long?", ["aaa", "a", "aa"]).tolist() == [3, 1, 2]
        assert reranker.rerank("none", []).shape == (0,)
        assert reranker.rerank("none", ["a"]).dtype == np.float32


@pytest.mark.usefixtures("fake_children")
def test_a_crash_fails_its_call_and_no_other(folder: Path) -> None:
    with Reranker(folder) as reranker:
        with pytest.raises(WorkerDied):
            reranker.rerank(str(CRASH), ["a"])
        assert reranker.rerank("again", ["a"]).tolist() == [1]


@pytest.mark.usefixtures("fake_children")
def test_what_has_no_score_is_refused(folder: Path) -> None:
    with Reranker(folder) as reranker:
        with pytest.raises(InvalidInput, match="Text 1 is empty"):
            reranker.rerank("question", ["a", " "])
        with pytest.raises(EngineError, match="score nan for text 1"):
            reranker.rerank("question", ["a", str(NAN)])


@pytest.mark.usefixtures("fake_children")
def test_a_model_with_several_labels_is_no_reranker(tmp_path: Path) -> None:
    with pytest.raises(ModelRejected, match="2 scores a pair"):
        Reranker(make_folder(tmp_path / "rerank-labels"))


@pytest.mark.usefixtures("fake_children")
def test_a_folder_with_pickles_is_not_opened(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelRejected, match="pickles can run code"):
        Reranker(folder)


@pytest.mark.usefixtures("no_torch")
def test_the_extra_is_named(folder: Path) -> None:
    with pytest.raises(MissingExtra, match=r"edgellm\[embed\]"):
        Reranker(folder)
