"""The process that embeds many texts: python -m edgellm.retrieval.embed.bulk_child FOLDER."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from edgellm.engine.native import NativeHost, Object
from edgellm.retrieval.embed.batches import batches
from edgellm.retrieval.embed.embedder import Tokens
from edgellm.retrieval.embed.offline import OPTIONS, VARIABLES

CPU_TOKENS, DEVICE_TOKENS = 2048, 16_384
"""Tokens in one batch, padding included."""
LEAST_COSINE = 0.9995
"""Of a text's vectors in bfloat16 and float32, for bfloat16 to be used."""
CLEARLY_FASTER = 0.9
"""A way of computing is taken up when it needs at most this share of the time."""
CHOICE_S = 60.0
"""How long a choice holds."""
_SAMPLE_TEXTS, _SAMPLE_TOKENS, _SAMPLE_RUNS = 8, 64, 2


@dataclass(frozen=True, slots=True)
class Way:
    """How the processor computes."""

    threads: int
    is_bfloat16: bool = False


class BulkModel:
    """An open model and the way of computing that was fastest lately."""

    def __init__(self, folder: str) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        self._torch = torch
        self._model: Any = SentenceTransformer(folder, **OPTIONS)
        self._model.eval()
        self.device: str = self._model.device.type
        self._threads = torch.get_num_threads()
        self.way = Way(self._threads)
        if self.device == "cpu":
            self._choose()
        self._budget = CPU_TOKENS if self.device == "cpu" else DEVICE_TOKENS

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self._model.get_embedding_dimension() or 0)

    def reconsider(self) -> None:
        """Choose again once the last choice is old: what else the machine does changes."""
        if self.device == "cpu" and time.monotonic() - self._chosen_at > CHOICE_S:
            self._choose()

    def groups(self, inputs: Sequence[Tokens]) -> list[list[int]]:
        """Which texts are computed together, in order."""
        return list(batches([len(tokens) for tokens in inputs], self._budget))

    def embed(self, inputs: Sequence[Tokens]) -> Any:
        """Vectors of texts that fit into one batch: float32 (texts, dimensions), not yet of unit length."""
        return self._computed(inputs, self.way)

    def _computed(self, inputs: Sequence[Tokens], way: Way) -> Any:
        torch, longest = self._torch, max(map(len, inputs))
        if torch.get_num_threads() != way.threads:
            torch.set_num_threads(way.threads)
        ids = torch.zeros((len(inputs), longest), dtype=torch.long)
        mask = torch.zeros((len(inputs), longest), dtype=torch.long)
        for row, tokens in enumerate(inputs):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        features = {"input_ids": ids.to(self._model.device), "attention_mask": mask.to(self._model.device)}
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16) if way.is_bfloat16 else nullcontext():
            return self._model(features)["sentence_embedding"].float().cpu().contiguous().numpy()

    def _choose(self) -> None:
        """Measure on made-up texts."""
        dice, size = random.Random(0), self._model[0].auto_model.config.vocab_size
        sample = [[dice.randrange(size) for _ in range(_SAMPLE_TOKENS)] for _ in range(_SAMPLE_TEXTS)]
        self.way = fastest(Way(self._threads), lambda way: self._timed(sample, way))
        self._chosen_at = time.monotonic()

    def _timed(self, sample: Sequence[Tokens], way: Way) -> tuple[float, Any]:
        """The best of a few runs in seconds, after one that warms up; and the vectors."""
        vectors, best_s = self._computed(sample, way), float("inf")
        for _ in range(_SAMPLE_RUNS):
            started = time.perf_counter()
            self._computed(sample, way)
            best_s = min(best_s, time.perf_counter() - started)
        return best_s, vectors


def fastest(first: Way, timed: Callable[[Way], tuple[float, Any]]) -> Way:
    """Try half the threads, then bfloat16; keep what is clearly faster and equally good.

    `timed` gives the seconds that a way takes, and the vectors it computes.
    """
    best = first
    best_s, exact = timed(first)
    for change in ({"threads": max(1, first.threads // 2)}, {"is_bfloat16": True}):
        way = replace(best, **change)
        if way == best:
            continue
        seconds, vectors = timed(way)
        if seconds <= CLEARLY_FASTER * best_s and least_cosine(exact, vectors) >= LEAST_COSINE:
            best_s, best = seconds, way
    return best


def least_cosine(one: Any, other: Any) -> float:
    """Of rows with the same number; NaN when one of them is none."""
    import numpy as np

    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(axis=1) / lengths).min())


class Desk:
    """Answers requests about one open model."""

    def __init__(self, host: NativeHost, folder: str) -> None:
        self._host = host
        self._model = BulkModel(folder)
        way = self._model.way
        host.answer(
            {
                "dimensions": self._model.dimensions,
                "device": self._model.device,
                "threads": way.threads,
                "precision": "bfloat16" if way.is_bfloat16 else "float32",
            }
        )

    def handle(self, inputs: list[list[int]]) -> None:
        """A line with places for each batch, and its vectors as float32 behind it."""
        self._model.reconsider()
        for group in self._model.groups(inputs):
            vectors = self._model.embed([inputs[at] for at in group])
            self._host.answer({"places": group}, memoryview(vectors))


def main(arguments: list[str]) -> None:
    """Open the model, then answer until the parent is gone."""
    os.environ.update(VARIABLES)
    host = NativeHost()
    desk: list[Desk] = []

    def open_or_handle(request: Object) -> None:
        if desk:
            desk[0].handle(**request)
        else:
            desk.append(Desk(host, arguments[0]))

    host.serve(open_or_handle)


if __name__ == "__main__":
    main(sys.argv[1:])
