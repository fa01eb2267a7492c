"""Stands in for the children that run torch: python -m tests.unit.retrieval.embed.fake_child FOLDER."""

from __future__ import annotations

import os
import sys

import numpy as np

from edgellm.engine.native import NativeHost, Object

DIMENSIONS = 4
CRASH, NAN, ODD = 666, 667, 668
"""Token ids, or words of a question, that make it misbehave."""


def main(arguments: list[str]) -> None:
    """Vectors are counts of small token ids; scores are lengths of texts."""
    host, is_open = NativeHost(), False

    def handle(request: Object) -> None:
        nonlocal is_open
        if not is_open:
            is_open = True
            host.answer({"labels": 2 if "labels" in arguments[0] else 1} if "rerank" in arguments[0] else _info())
        elif "question" in request:
            _score(host, request)
        else:
            _embed(host, request["inputs"])

    host.serve(handle)


def _info() -> Object:
    return {"dimensions": DIMENSIONS, "device": "cpu", "threads": 1, "precision": "float32"}


def _embed(host: NativeHost, inputs: list[list[int]]) -> None:
    """The last texts first, two at a time."""
    places = list(range(len(inputs)))[::-1]
    for start in range(0, len(places), 2):
        group = places[start : start + 2]
        if any(CRASH in inputs[at] for at in group):
            sys.stderr.write("illegal instruction\n")
            sys.stderr.flush()
            os._exit(3)
        vectors = np.array([vector_of(inputs[at]) for at in group], np.float32)
        host.answer({"places": group}, memoryview(vectors))  # type: ignore[arg-type]


def vector_of(tokens: list[int]) -> list[float]:
    """Not of unit length."""
    if NAN in tokens:
        return [float("nan")] * DIMENSIONS
    return [1.0 + tokens.count(number) for number in range(DIMENSIONS)]


def _score(host: NativeHost, request: Object) -> None:
    if request["question"] == str(CRASH):
        os._exit(3)
    scores = [float("nan") if text == str(NAN) else len(text) for text in request["texts"]]
    host.answer({}, memoryview(np.array(scores, "<f4")))  # type: ignore[arg-type]


if __name__ == "__main__":
    main(sys.argv[1:])
