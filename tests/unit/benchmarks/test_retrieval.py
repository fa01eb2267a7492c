"""The search benchmark asks every arm the same, and counts what it finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import retrieval_arms
from benchmarks.retrieval import answers
from benchmarks.retrieval_arms import SearchArm, all_arms, in_numpy, ours
from benchmarks.retrieval_corpus import Corpus, grown, invented_corpus


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return grown(invented_corpus(), 700)


def test_a_corpus_grows_by_mixtures_of_unit_length(corpus: Corpus) -> None:
    small = invented_corpus()
    assert (len(corpus.texts), corpus.vectors.shape) == (700, (700, 384))
    assert np.array_equal(corpus.vectors[:500], small.vectors)
    assert np.linalg.norm(corpus.vectors, axis=1) == pytest.approx(np.ones(700), abs=1e-5)
    assert len(grown(small, 300).texts) == len(grown(small, 300).vectors) == 300


def test_the_exact_ten_are_numpys(corpus: Corpus) -> None:
    found = answers(in_numpy(corpus), corpus.exact(), 0)
    assert (found["recall@10"], found["missed"]) == (1.0, 0.0)
    assert found["p99"] >= found["p50"] > 0


def test_an_arm_that_finds_nothing_gets_nothing(corpus: Corpus) -> None:
    assert answers(SearchArm("none", lambda _: [], 0), corpus.exact(), 0)["recall@10"] == 0


def test_our_arms_number_passages_as_the_corpus_does(corpus: Corpus, tmp_path: Path) -> None:
    nearest, whole = ours(corpus, tmp_path)
    assert answers(nearest, corpus.exact(), 0)["recall@10"] >= 0.99
    assert set(whole.ask(0)) <= set(range(700))
    nearest.close()


def test_what_is_left_out_says_why(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval_arms, "GRAPH_LIMIT", 600)
    monkeypatch.setattr(retrieval_arms, "find_spec", {"usearch": "it is there"}.get)
    arms, skipped = all_arms(corpus, tmp_path)
    assert [arm.name for arm in arms] == ["edgellm", "edgellm, whole search", "numpy"]
    assert [reason.split(":")[0] for reason in skipped] == ["sqlite_vec", "faiss", "usearch at 700 passages"]
    for arm in arms:
        arm.close()
