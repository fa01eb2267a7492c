"""A model's tokens: text to ids, ids to bytes, which ids end a turn."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from edgellm.engine.llama.library import lib, text
from edgellm.errors import InvalidInput

_PIECE_BYTES = 512
_CONTROL = 1 << 3  # LLAMA_TOKEN_ATTR_CONTROL
_USER_DEFINED = 1 << 4  # LLAMA_TOKEN_ATTR_USER_DEFINED
_SPECIAL_MARK = b"\xff"  # never begins UTF-8 text, so no text can spell a special token


def utf8(value: str, field: str) -> bytes:
    """`value` as UTF-8. Raises: InvalidInput for half a surrogate pair, which is no character."""
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError as error:
        found = f"U+{ord(value[error.start]):04X}"
        raise InvalidInput(
            f"The text has {found}, half of a surrogate pair, at character {error.start}.",
            hint="Send valid Unicode text.",
            field=field,
            value=found,
        ) from error


class Vocabulary:
    """The tokenizer inside a model file."""

    def __init__(self, model: Any) -> None:
        self.handle = lib.llama_model_get_vocab(model)
        self.size: int = lib.llama_vocab_n_tokens(self.handle)
        self.adds_bos: bool = lib.llama_vocab_get_add_bos(self.handle)
        self.bos: int = lib.llama_vocab_bos(self.handle)
        self._buffer = ctypes.create_string_buffer(_PIECE_BYTES)
        self._pieces: list[bytes | None] = [None] * self.size

    def tokenize(self, value: str, *, parse_special: bool, add_special: bool = False) -> list[int]:
        """Token ids of `value`; `add_special` wraps it as the model was trained for (BOS, CLS, SEP)."""
        raw = utf8(value, "text")
        room = len(raw) + 4
        ids = np.empty(room, np.int32)
        into = ctypes.cast(ids.ctypes.data, lib.llama_token_p)
        count = lib.llama_tokenize(self.handle, raw, len(raw), into, room, add_special, parse_special)
        if count < 0:
            raise InvalidInput(f"The text of {len(raw)} bytes could not be tokenized (code {count}).", field="text")
        found: list[int] = ids[:count].tolist()
        return found

    def piece(self, token: int) -> bytes:
        """The bytes `token` stands for; empty for control tokens."""
        known = self._pieces[self.checked(token)]
        if known is None:
            known = self._pieces[token] = self._render(token, special=False)
        return known

    def marked_piece(self, token: int) -> bytes:
        """Like `piece`, but special tokens are spelled out behind a byte that no text contains."""
        attributes = lib.llama_vocab_get_attr(self.handle, token)
        spelled = self._render(token, special=True)
        looks_special = attributes & _USER_DEFINED and spelled.startswith(b"<") and spelled.endswith(b">")
        return _SPECIAL_MARK + spelled if attributes & _CONTROL or looks_special else spelled

    def is_end(self, token: int) -> bool:
        """Whether `token` ends the model's turn."""
        return bool(lib.llama_vocab_is_eog(self.handle, token))

    def end_tokens(self) -> list[int]:
        """Every token that ends a turn; walks the whole vocabulary."""
        return [token for token in range(self.size) if self.is_end(token)]

    def special_text(self, token: int) -> str:
        """How a special token is written in a template; empty when the model has none (id -1)."""
        return text(lib.llama_vocab_get_text(self.handle, token)) if token >= 0 else ""

    def checked(self, token: int) -> int:
        """`token` itself. Raises: InvalidInput when the vocabulary has no such id."""
        if not 0 <= token < self.size:
            raise InvalidInput(
                f"Token {token} does not exist: the vocabulary has ids 0 to {self.size - 1}.",
                field="token",
                value=token,
            )
        return token

    def _render(self, token: int, *, special: bool) -> bytes:
        length = lib.llama_token_to_piece(self.handle, token, self._buffer, len(self._buffer), 0, special)
        if length < 0:  # the piece is longer than the buffer, which then holds nothing; -length is its size
            self._buffer = ctypes.create_string_buffer(-length)
            length = lib.llama_token_to_piece(self.handle, token, self._buffer, len(self._buffer), 0, special)
        return self._buffer.raw[:length]
