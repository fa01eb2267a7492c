"""sentence-transformers with its defaults, in a process of its own: python -m benchmarks.embedding_stock FOLDER."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np

from edgellm.engine.native import NativeHost, Object


def main(arguments: list[str]) -> None:
    """Open the model; then embed all texts at once, or one after the other, and answer seconds and vectors."""
    os.environ.pop("GOMP_SPINCOUNT", None)  # our children set it; the library as it comes does not
    os.environ.update({"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"})
    host = NativeHost()
    opened: list[Any] = []

    def open_or_embed(request: Object) -> None:
        if not opened:
            from sentence_transformers import SentenceTransformer

            opened.append(SentenceTransformer(arguments[0], device="cpu", local_files_only=True))
            host.answer({"width": int(opened[0].get_embedding_dimension())})
            return
        texts = request["texts"]
        groups = [[text] for text in texts] if request["singly"] else [texts]
        seconds, vectors = [], []
        for group in groups:
            started = time.perf_counter()
            vectors.append(opened[0].encode(group, show_progress_bar=False))
            seconds.append(time.perf_counter() - started)
        host.answer({"seconds": seconds}, memoryview(np.ascontiguousarray(np.concatenate(vectors), np.float32)))  # type: ignore[arg-type]

    host.serve(open_or_embed)


if __name__ == "__main__":
    main(sys.argv[1:])
