"""The process that scores pairs: python -m edgellm.retrieval.embed.rerank_child FOLDER."""

from __future__ import annotations

import os
import sys
from typing import Any

from edgellm.engine.native import NativeHost, Object
from edgellm.retrieval.embed.offline import OPTIONS, VARIABLES

_BATCH_PAIRS = 16


def main(arguments: list[str]) -> None:
    """Open the model, then answer until the parent is gone."""
    os.environ.update(VARIABLES)
    host = NativeHost()
    opened: list[Any] = []

    def open_or_score(request: Object) -> None:
        if opened:
            pairs = [(request["question"], text) for text in request["texts"]]
            scores = opened[0].predict(pairs, batch_size=_BATCH_PAIRS, show_progress_bar=False)
            host.answer({}, memoryview(scores.astype("<f4")))
        else:
            from sentence_transformers import CrossEncoder

            opened.append(CrossEncoder(arguments[0], **OPTIONS))
            host.answer({"labels": int(opened[0].num_labels)})

    host.serve(open_or_score)


if __name__ == "__main__":
    main(sys.argv[1:])
