"""The process of one judged model: python -m edgellm.engine.judge_child PATH CONTEXT_TOKENS [ADAPTER]."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgellm.engine.llama.exact import ExactModel
from edgellm.engine.native import NativeHost, Object


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-probabilities of each row."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    totals = np.exp(shifted).sum(axis=1, keepdims=True, dtype=np.float64)
    return np.ascontiguousarray(shifted - np.log(totals).astype(np.float32))


class Desk:
    """Answers requests about one open model."""

    def __init__(self, host: NativeHost, path: str, context_tokens: int, adapter: str | None) -> None:
        self._host = host
        self._model = ExactModel(path, adapter, context_tokens)

    def introduce(self) -> None:
        """What a parent has to know of the model."""
        vocabulary = self._model.vocabulary
        self._host.answer(
            {
                "vocabulary": vocabulary.size,
                "template": self._model.template,
                "adds_bos": bool(vocabulary.adds_bos),
                "bos_text": vocabulary.special_text(vocabulary.bos),
                "eos_text": self._end_text(),
            }
        )

    def handle(self, request: Object) -> None:
        """One request, by the name under `do`."""
        getattr(self, f"_{request.pop('do')}")(**request)

    def _end_text(self) -> str:
        from edgellm.engine.llama.library import lib

        vocabulary = self._model.vocabulary
        return vocabulary.special_text(lib.llama_vocab_eos(vocabulary.handle))

    def _tokenize(self, text: str, parse_special: bool, add_special: bool) -> None:
        vocabulary = self._model.vocabulary
        tokens = vocabulary.tokenize(text, parse_special=parse_special, add_special=add_special)
        self._host.answer({"tokens": tokens})

    def _logprobs(self, tokens: list[int]) -> None:
        """A line with the number of rows before each chunk; 0 rows at the end."""
        self._model.forget()
        for logits in self._model.read(tokens):
            self._host.answer({"rows": len(logits)}, memoryview(log_softmax(logits)))  # type: ignore[arg-type]
        self._host.answer({"rows": 0})

    def _greedy(self, tokens: list[int], most: int) -> None:
        model = self._model
        model.forget()
        started = time.perf_counter()
        best = _best(model.read(tokens))
        read = time.perf_counter()
        chosen: list[int] = []
        while len(chosen) < most and not model.vocabulary.is_end(best):
            chosen.append(best)
            best = _best(model.read([best]))
        text = b"".join(map(model.vocabulary.piece, chosen)).decode("utf-8", "replace")
        seconds = {"read_s": read - started, "write_s": time.perf_counter() - read}
        self._host.answer({"tokens": chosen, "text": text, **seconds})


def _best(chunks: Any) -> int:
    """The most probable token after the last position."""
    best = 0
    for logits in chunks:
        best = int(logits[-1].argmax())
    return best


def main(arguments: list[str]) -> None:
    """Open the model, then answer until the parent is gone."""
    host = NativeHost()
    path, context_tokens, *adapter = arguments
    desk: list[Desk] = []

    def open_or_handle(request: Object) -> None:
        if desk:
            desk[0].handle(request)
        else:
            desk.append(Desk(host, path, int(context_tokens), adapter[0] if adapter else None))
            desk[0].introduce()

    host.serve(open_or_handle)


if __name__ == "__main__":
    main(sys.argv[1:])
