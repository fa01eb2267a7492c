"""The gate of a converted tokenizer: token ids in llama.cpp must be those of the folder's own tokenizer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.errors import MissingExtra
from edgellm.export.convert.probe import TEXTS
from edgellm.export.convert.refusal import refuse

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from edgellm.engine.llama.vocabulary import Vocabulary

_SPECIAL = 32
"""How many special tokens are compared."""
_AROUND = ("{}one", "{} one", "{}\none", "one{}two", "one {} two")


def check_tokenizer(gguf: Path, tokenizer_json: Path, content: str) -> tuple[str, ...]:
    """Compare ids on `probe.TEXTS`, bare and with what each puts around a text, and around special tokens.

    Args:
        gguf: a file with the vocabulary; weights are not looked at.
        tokenizer_json: where `content` came from, for the message.
        content: the text of tokenizer.json.

    Returns: notes on special tokens around which llama.cpp reads spaces otherwise; there it knows no setting.
    Raises: ModelRejected at the first difference in a text; MissingExtra without the `tokenizers` package.
    """
    original = _original(content, tokenizer_json)
    with _vocabulary(gguf) as vocabulary:
        for text in TEXTS:
            for adds_special in (False, True):
                wanted = original.encode(text, add_special_tokens=adds_special).ids
                found = vocabulary.tokenize(text, parse_special=False, add_special=adds_special)
                if found != wanted:
                    _refuse(tokenizer_json, text, wanted, found)
        return tuple(_notes(original, vocabulary))


def end_tokens(gguf: Path) -> list[int]:
    """Every token at which llama.cpp ends an answer; a file names one, and more are known by their text.

    Raises: ModelRejected.
    """
    with _vocabulary(gguf) as vocabulary:
        return vocabulary.end_tokens()


def folder_tokenizer(folder: Path) -> Tokenizer:
    """A folder's own tokenizer. Raises: ModelRejected; MissingExtra without the `tokenizers` package."""
    path = folder / "tokenizer.json"
    return _original(path.read_text(encoding="utf-8"), path)


def _notes(original: Tokenizer, vocabulary: Vocabulary) -> Iterator[str]:
    special = [token.content for token in original.get_added_tokens_decoder().values() if token.special]
    for token in special[:_SPECIAL]:
        for pattern in _AROUND:
            text = pattern.format(token)
            if vocabulary.tokenize(text, parse_special=True) != original.encode(text, add_special_tokens=False).ids:
                yield f"llama.cpp reads spaces beside {token!r} otherwise, for example in {text!r}."
                break


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
def _vocabulary(gguf: Path) -> Iterator[Vocabulary]:
    """llama.cpp's vocabulary of a file. Raises: ModelRejected."""
    from edgellm.engine.llama.library import complaints, forget_complaints, lib
    from edgellm.engine.llama.vocabulary import Vocabulary

    forget_complaints()
    parameters = lib.llama_model_default_params()
    parameters.vocab_only = True
    model = lib.llama_model_load_from_file(str(gguf).encode(), parameters)
    if not model:
        refuse(gguf, f"llama.cpp does not read the vocabulary: {complaints()}")
    try:
        yield Vocabulary(model)
    finally:
        lib.llama_model_free(model)
