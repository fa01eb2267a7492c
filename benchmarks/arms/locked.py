"""llama-cpp-python's `Llama` class behind a lock: what a first program would do."""

from __future__ import annotations

import threading
import time
from typing import Any

import llama_cpp

from benchmarks.arms.base import ArmConfig, Ask, OnPiece, Served


class LockedLlama:
    """One `Llama`; clients take turns, because two threads in one context abort the process."""

    name = "Llama behind a lock"

    def __init__(self, config: ArmConfig) -> None:
        self._config = config
        self._turn = threading.Lock()
        self._model: Any = None

    def start(self) -> None:
        """Load the model into this process."""
        self._model = llama_cpp.Llama(
            str(self._config.model),
            n_ctx=self._config.context_tokens,
            n_threads=self._config.threads,
            verbose=False,
        )

    def serve(self, ask: Ask, on_piece: OnPiece | None = None) -> Served:
        """Wait for a turn, then serve one completion."""
        served = Served(asked_at=time.perf_counter())
        text: list[str] = []
        with self._turn:
            chunks = self._model.create_completion(
                ask.prompt, max_tokens=ask.max_tokens, temperature=0.0, repeat_penalty=1.0, stream=True
            )
            for chunk in chunks:
                if piece := chunk["choices"][0]["text"]:
                    served.arrivals.append((time.perf_counter(), len(piece)))
                    text.append(piece)
                    if on_piece:
                        on_piece(len(served.arrivals))
            served.ended_at = time.perf_counter()
            served.completion_tokens = self._count("".join(text))
        return served

    def stop(self) -> None:
        """Release the model."""
        if self._model is not None:
            self._model.close()
            self._model = None

    def _count(self, text: str) -> int:
        return len(self._model.tokenize(text.encode(), add_bos=False, special=False))
