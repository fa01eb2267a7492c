"""The gate of a converted tokenizer: token ids in llama.cpp must be those of the folder's own tokenizer."""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgellm.errors import MissingExtra
from edgellm.export.convert.probe import TEXTS
from edgellm.export.convert.refusal import refuse

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def check_tokenizer(gguf: Path, tokenizer_json: Path, content: str) -> None:
    """Compare ids on `probe.TEXTS`, bare and with what each puts around a text.

    Args:
        gguf: a file with the vocabulary; weights are not looked at.
        tokenizer_json: where `content` came from, for the message.
        content: the text of tokenizer.json.

    Raises: ModelRejected at the first difference; MissingExtra without the `tokenizers` package.
    """
    original = _original(content, tokenizer_json)
    with _vocabulary(gguf) as vocabulary:
        for text in TEXTS:
            for adds_special in (False, True):
                wanted = original.encode(text, add_special_tokens=adds_special).ids
                found = _ids(vocabulary, text, adds_special)
                if found != wanted:
                    _refuse(tokenizer_json, text, wanted, found)


def _refuse(path: Path, text: str, wanted: list[int], found: list[int]) -> None:
    pairs = zip(wanted, found, strict=False)
    place = next((place for place, (ours, theirs) in enumerate(pairs) if ours != theirs), min(len(wanted), len(found)))
    refuse(
        path,
        f"llama.cpp reads {text[:60]!r} otherwise: token {place} is {found[place : place + 3]}, not "
        f"{wanted[place : place + 3]}",
        "Take a GGUF file of this model from its maker.",
    )


def _original(content: str, path: Path) -> Tokenizer:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise MissingExtra(
            "Converting a tokenizer needs the package tokenizers.",
            hint="Install it: pip install 'edgellm[train]'",
            extra="train",
        ) from None
    try:
        tokenizer = Tokenizer.from_str(content)
    except Exception as error:  # the package raises plain Exception
        refuse(path, f"the tokenizers package does not read it: {error}")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@contextmanager
def _vocabulary(gguf: Path) -> Iterator[Any]:
    """llama.cpp's vocabulary of a file. Raises: ModelRejected."""
    import llama_cpp.llama_cpp as lib

    _log.clear()
    lib.llama_log_set(_logger(lib), None)
    parameters = lib.llama_model_default_params()
    parameters.vocab_only = True
    model = lib.llama_model_load_from_file(str(gguf).encode(), parameters)
    if not model:
        refuse(gguf, f"llama.cpp does not read the vocabulary: {' '.join(_log)}")
    try:
        yield lib.llama_model_get_vocab(model)
    finally:
        lib.llama_model_free(model)


_ERROR = 4  # GGML_LOG_LEVEL_ERROR
_log: deque[str] = deque(maxlen=4)
_callbacks: list[Any] = []


def _logger(lib: Any) -> Any:
    """A log callback that keeps errors and prints nothing; llama.cpp keeps its address for good."""

    def keep(level: int, text: bytes, _data: Any) -> None:
        if level == _ERROR:
            _log.append(text.decode("utf-8", "replace").strip())

    if not _callbacks:
        _callbacks.append(lib.llama_log_callback(keep))
    return _callbacks[0]


def _ids(vocabulary: Any, text: str, adds_special: bool) -> list[int]:
    import llama_cpp.llama_cpp as lib

    raw = text.encode()
    room = len(raw) + 8
    ids = (ctypes.c_int32 * room)()
    count = lib.llama_tokenize(vocabulary, raw, len(raw), ids, room, adds_special, False)
    return list(ids[:count])
