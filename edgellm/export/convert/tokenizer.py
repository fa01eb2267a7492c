"""tokenizer.json and its companions as GGUF metadata.

Format: https://huggingface.co/docs/tokenizers; GGUF's keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from edgellm.export.convert.folder import ModelFolder
from edgellm.export.convert.pretokenizers import recognised
from edgellm.export.convert.refusal import refuse
from edgellm.export.convert.sentencepiece import adds_space, scores
from edgellm.gguf_write import F32, I32, Value, encoded

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""llama.cpp's kinds of tokens."""
SPACE = "▁"
_ROLES = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}


@dataclass(frozen=True, slots=True)
class Tokens:
    """The vocabulary of a tokenizer.json, checked."""

    path: Path
    settings: Mapping[str, Any]
    """The whole of tokenizer.json."""
    model: Mapping[str, Any]
    texts: tuple[str, ...]
    kinds: tuple[int, ...]
    merges: tuple[tuple[str, str], ...]

    def number(self, text: str) -> int:
        """The id of a token. Raises: ModelRejected."""
        if text not in self.texts:
            self.refuse(f"the special token {text!r} is not in the vocabulary")
        return self.texts.index(text)

    def refuse(self, reason: str) -> NoReturn:
        """Raises: ModelRejected."""
        refuse(self.path, reason)


def tokenizer_metadata(folder: ModelFolder, rows: int) -> dict[str, Value]:
    """The tokenizer's keys. `rows` is how many ids the model knows; ids without a token are filled up.

    Raises: ModelRejected for a tokenizer that llama.cpp would read otherwise.
    """
    tokens = _read(folder, rows)
    keys: dict[str, Value] = {}
    if tokens.model.get("byte_fallback"):
        keys["model"], keys["pre"] = "llama", "default"
        keys["scores"] = encoded(scores(tokens.texts, tokens.merges), F32)
        keys["add_space_prefix"] = _checked_space(tokens)
    else:
        keys["model"], keys["pre"] = "gpt2", _pre_tokenizer(tokens)
        keys["merges"] = [f"{left} {right}" for left, right in tokens.merges]
    keys["tokens"] = list(tokens.texts)
    keys["token_type"] = encoded(tokens.kinds, I32)
    keys |= _special(folder, tokens)
    found = {f"tokenizer.ggml.{key}": value for key, value in keys.items()}
    template = chat_template(folder)
    return found | ({"tokenizer.chat_template": template} if template else {})


def _read(folder: ModelFolder, rows: int) -> Tokens:
    path = folder.path / "tokenizer.json"
    settings = folder.table("tokenizer.json")
    if settings is None:
        refuse(path, "it is missing", "Save the tokenizer in its fast form; tokenizer.model alone is not read.")
    model = settings.get("model")
    if not isinstance(model, dict) or model.get("type", "BPE") != "BPE":
        refuse(path, f"its model is {str(model)[:60]!r}, not byte-pair encoding")
    _check_model(path, model)
    texts, kinds = _vocabulary(path, settings, model, rows)
    return Tokens(path, settings, model, tuple(texts), tuple(kinds), tuple(_merges(path, model)))


def _check_model(path: Path, model: Mapping[str, Any]) -> None:
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(key):
            refuse(path, f"{key} is {model[key]!r}, which llama.cpp does not know")
    if model.get("byte_fallback") and model.get("ignore_merges"):
        refuse(path, "its words skip the merges, which llama.cpp does not do for SentencePiece")


def _vocabulary(
    path: Path, settings: Mapping[str, Any], model: Mapping[str, Any], rows: int
) -> tuple[list[str], list[int]]:
    texts, kinds = [f"[PAD{number}]" for number in range(rows)], [UNUSED] * rows
    vocabulary = model.get("vocab")
    if not isinstance(vocabulary, dict):
        refuse(path, "its model has no table 'vocab'")
    for text, number in vocabulary.items():
        if type(number) is not int or not 0 <= number < rows or kinds[number] != UNUSED:
            refuse(path, f"token {text!r} has the id {number!r}, which is taken or beyond the model's {rows} ids")
        texts[number], kinds[number] = text, _plain_kind(text, model)
    for token in _added(path, settings):
        number, text = token.get("id"), token.get("content")
        if type(number) is not int or not 0 <= number < rows or not isinstance(text, str):
            refuse(path, f"the added token {text!r} has the id {number!r}, beyond the model's {rows} ids")
        is_control = token.get("special") is True or _looks_special(text)
        if kinds[number] != UNKNOWN:
            kinds[number] = CONTROL if is_control else USER_DEFINED
        texts[number] = text if is_control or not model.get("byte_fallback") else text.replace(SPACE, " ")
    return texts, kinds


def _plain_kind(text: str, model: Mapping[str, Any]) -> int:
    if not model.get("byte_fallback"):
        return NORMAL
    if text == model.get("unk_token"):
        return UNKNOWN
    return BYTE if len(text) == 6 and text.startswith("<0x") and text.endswith(">") else NORMAL


def _added(path: Path, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    added = settings.get("added_tokens") or []
    if not isinstance(added, list) or not all(isinstance(token, dict) for token in added):
        refuse(path, "its added_tokens are no list of tables")
    return added


def _looks_special(text: str) -> bool:
    """Markup that some folders forgot to mark as special, as llama.cpp's own converter sees it."""
    return (text.startswith("<|") and text.endswith("|>")) or (text.startswith("<unused") and text.endswith(">"))


def _merges(path: Path, model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    merges = model.get("merges")
    if not isinstance(merges, list):
        refuse(path, "its model has no list 'merges'")
    for merge in merges:
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or not all(isinstance(p, str) and p and " " not in p for p in pair)
        ):
            refuse(path, f"the merge {str(merge)[:80]!r} is not a pair of texts")
        yield pair[0], pair[1]


def _pre_tokenizer(tokens: Tokens) -> str:
    normalizer = tokens.settings.get("normalizer")
    if normalizer not in (None, {"type": "NFC"}):
        tokens.refuse(f"it normalizes text by {str(normalizer)[:200]}, which llama.cpp does not do")
    definition = tokens.settings.get("pre_tokenizer")
    name = recognised(definition, ignores_merges=bool(tokens.model.get("ignore_merges")))
    if name is None:
        tokens.refuse(f"its pre_tokenizer is not one of those known here: {str(definition)[:400]}")
    return name


def _checked_space(tokens: Tokens) -> bool:
    if UNKNOWN not in tokens.kinds or tokens.kinds.count(BYTE) != 256:
        tokens.refuse("a tokenizer with byte_fallback needs an unknown token and 256 byte tokens")
    found = adds_space(tokens.settings.get("normalizer"), tokens.settings.get("pre_tokenizer"))
    if found is None:
        tokens.refuse(f"its normalizer is not one of those known here: {str(tokens.settings.get('normalizer'))[:400]}")
    return found


def _special(folder: ModelFolder, tokens: Tokens) -> dict[str, Value]:
    """Ids of tokens with a role, and what is put around a text."""
    settings = folder.table("tokenizer_config.json") or {}
    found: dict[str, Value] = {}
    for key, role in _ROLES.items():
        text = settings.get(key)
        text = text.get("content") if isinstance(text, dict) else text
        if isinstance(text, str):
            found[f"{role}_token_id"] = tokens.number(text)
            continue
        number = folder.config.get(f"{key}_id") if role in ("bos", "eos") else None
        if type(number) is int and 0 <= number < len(tokens.texts):
            found[f"{role}_token_id"] = number
    if "eos_token_id" not in found:
        tokens.refuse("neither tokenizer_config.json nor config.json names the token that ends a text (eos_token)")
    first, last = _around(tokens)
    for role, text in (("bos", first), ("eos", last)):
        if text is not None and found.get(f"{role}_token_id") != tokens.number(text):
            tokens.refuse(f"it puts {text!r} around texts, which is not its {role}_token")
        found[f"add_{role}_token"] = text is not None
    return found


def _around(tokens: Tokens) -> tuple[str | None, str | None]:
    """The tokens that the post-processor puts before and after a text."""
    processor = tokens.settings.get("post_processor")
    is_sequence = isinstance(processor, dict) and processor.get("type") == "Sequence"
    steps = processor.get("processors") if is_sequence and processor is not None else [processor]
    if not isinstance(steps, list):
        tokens.refuse("its post_processor is no list of steps")
    found: tuple[str | None, str | None] = (None, None)
    for step in steps:
        kind = step.get("type") if isinstance(step, dict) else step
        if kind == "TemplateProcessing":
            found = _edges(tokens, step.get("single"))
        elif kind not in (None, "ByteLevel"):
            tokens.refuse(f"its post_processor {str(kind)[:80]!r} is not known here")
    return found


def _edges(tokens: Tokens, template: Any) -> tuple[str | None, str | None]:
    """A template's token before the text and its token after it."""
    parts = template if isinstance(template, list) else []
    inner = [part.get("SpecialToken") if isinstance(part, dict) else part for part in parts]
    names = [part.get("id") if isinstance(part, dict) else part for part in inner]
    if len(names) > 3 or names.count(None) != 1 or not all(name is None or isinstance(name, str) for name in names):
        tokens.refuse(f"it puts {str(template)[:200]} around texts, which is not known here")
    place = names.index(None)
    before, after = names[:place], names[place + 1 :]
    if len(before) > 1 or len(after) > 1:
        tokens.refuse(f"it puts {names} around texts, which llama.cpp cannot")
    return (before or [None])[0], (after or [None])[0]


def chat_template(folder: ModelFolder) -> str:
    """The chat template, from its own file or from tokenizer_config.json; an empty text where there is none."""
    if own := folder.text("chat_template.jinja"):
        return own
    found = (folder.table("tokenizer_config.json") or {}).get("chat_template")
    if isinstance(found, list):
        named = [entry for entry in found if isinstance(entry, dict) and entry.get("name") == "default"]
        found = named[0].get("template") if named else None
    return found if isinstance(found, str) else ""
