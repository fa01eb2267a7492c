"""Cross-encoder reranking: a question and a passage read together, in a process of its own.

Paper: Nogueira and Cho 2019, arXiv:1901.04085.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.engine.native import NativeChild
from edgellm.errors import EngineError
from edgellm.export.convert.folder import open_folder
from edgellm.export.convert.refusal import refuse
from edgellm.retrieval.embed.bulk import require_bulk
from edgellm.retrieval.embed.embedder import check_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Reranker:
    """A cross-encoder from a folder. Any thread may call it; one call is served at a time."""

    def __init__(self, folder: Path) -> None:
        """Check the folder and open the model.

        Raises: MissingExtra, WorkerDied; ModelRejected for pickles, code, or a model without one score a pair.
        """
        require_bulk()
        self._folder = open_folder(folder.absolute()).path
        self._lock = threading.Lock()
        self._child: NativeChild | None = None
        with self._lock:
            self._opened()

    @property
    def pid(self) -> int:
        """The process id; 0 while there is no process."""
        return self._child.pid if self._child else 0

    def rerank(self, question: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """How well each text answers the question: (texts,), larger is better, comparable for one question.

        Raises: InvalidInput for an empty text, WorkerDied, EngineError for a score that is no number.
        """
        import numpy as np

        request = {"question": check_text(question), "texts": [check_text(text, at) for at, text in enumerate(texts)]}
        scores = np.empty(len(texts), "<f4")
        if not len(texts):
            return scores
        with self._lock:
            child = self._opened()
            try:
                child.send(request)
                child.receive()
                child.receive_into(memoryview(scores))  # type: ignore[arg-type]
            except BaseException:  # an answer may be half read; Ctrl+C included
                self.close()
                raise
        if not np.isfinite(scores).all():
            at = int(np.flatnonzero(~np.isfinite(scores))[0])
            raise EngineError(
                f"The reranker computed the score {scores[at]} for text {at}.",
                hint="The model's files may be damaged: get the model again.",
                index=at,
            )
        return scores

    def close(self) -> None:
        """End the process. Repeating it does nothing."""
        child, self._child = self._child, None
        if child is not None:
            child.close()

    def __enter__(self) -> Reranker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self) -> NativeChild:
        if self._child is None:
            self._child = NativeChild("edgellm.retrieval.embed.rerank_child", str(self._folder))
            try:
                self._child.send({})
                labels = self._child.receive()["labels"]
            except BaseException:
                self.close()
                raise
            if labels != 1:
                self.close()
                refuse(self._folder, f"it gives {labels} scores a pair; a reranker gives one", "Choose another one.")
        return self._child
