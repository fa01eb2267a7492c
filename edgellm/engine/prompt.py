"""From rendered messages to token ids, with user text that stays text.

A template mixes its own markers (`<|im_end|>`, `[INST]`) with what people wrote. Each conversation is rendered twice:
once as it is (the reference) and once with a private placeholder for each text (the skeleton). The skeleton
shows which parts the template wrote, and only these may become control tokens.

Rule. Where the reference equals the skeleton with the texts put in (as they are, or trimmed), texts that spell no
control token are tokenized together with the template's parts around them, as every other runtime does,
and texts that spell one are tokenized apart, with special tokens switched off. Where the template transforms texts
in another way, the reference is tokenized as a whole if no text spells a control token; otherwise the skeleton is
used with the texts apart, and a notice says so. The control tokens of the result must be those of the
skeleton's own parts; a result that has others is never used.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgellm.errors import TemplateRejected

TRANSFORMED = (
    "The chat template rewrites message texts; it was not shown them, because they would have spelled a control token."
)

_OPEN, _CLOSE = "\ue000", "\ue001"


Run = tuple[str, bool]
"""A text, and whether control tokens spelled in it become control tokens."""


class Tokenizer(Protocol):
    """What a prompt needs from a backend."""

    def tokenize(self, text: str, *, parse_special: bool, add_bos: bool) -> list[int]: ...

    def piece(self, token: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the skeleton: what the template wrote, or the number of a message text."""

    text: str
    source: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """One conversation, rendered."""

    texts: Sequence[str]
    reference: str
    parts: Sequence[Part] | None
    """The skeleton, cut at its placeholders; None when the template damaged one."""

    @property
    def tail(self) -> str:
        """What the template wrote after the last message text."""
        return self.parts[-1].text if self.parts else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Token ids of a rendered conversation."""

    tokens: tuple[int, ...]
    notice: str | None = None


class Placeholders:
    """Stand-ins for message texts that nobody can guess; blank texts stand for themselves."""

    def __init__(self, texts: Sequence[str]) -> None:
        nonce = secrets.randbelow(10**20)  # digits alone: a template may change the case of texts
        self._texts = texts
        self.names = [f"{_OPEN}{nonce:020}{at:06}{_CLOSE}" if text.strip() else text for at, text in enumerate(texts)]

    def split(self, skeleton: str) -> list[Part] | None:
        """The skeleton's parts, beginning and ending with what the template wrote; None when one is damaged."""
        numbers = {name[1:-1]: at for at, name in enumerate(self.names) if name.startswith(_OPEN)}
        first, *others = skeleton.split(_OPEN)
        parts = [Part(first)]
        for piece in others:
            name, _, rest = piece.partition(_CLOSE)
            if name not in numbers:
                return None
            parts += [Part(self._texts[numbers[name]], numbers[name]), Part(rest)]
        return None if any(_CLOSE in part.text for part in parts if part.source is None) else parts


def tokenize_prompt(tokenizer: Tokenizer, rendering: Rendering, *, add_bos: bool) -> Prompt:
    """The prompt's tokens by the rule of this module.

    Raises: TemplateRejected when no safe way is left.
    """
    risky = {at for at, text in enumerate(rendering.texts) if _spells_control(tokenizer, text)}
    expected = _controls(tokenizer, _own_tokens(tokenizer, rendering.parts)) if rendering.parts is not None else None
    for runs, notice in _attempts(rendering, risky):
        tokens = _tokens(tokenizer, runs)
        if expected is None or _controls(tokenizer, tokens) == expected:
            start = tokenizer.tokenize("", parse_special=False, add_bos=True) if add_bos else []
            return Prompt(tokens=(*start, *tokens), notice=notice)
    raise TemplateRejected(
        "The chat template cuts message texts up, and one of them spells a control token.",
        hint="Take the control token out of the text, or use a model whose template passes texts on whole.",
    )


def _attempts(rendering: Rendering, risky: Collection[int]) -> Iterator[tuple[list[Run], str | None]]:
    """Ways to tokenize the rendering, most faithful first."""
    if rendering.parts is None:
        if not risky:
            yield [(rendering.reference, True)], None
        return
    every = range(len(rendering.texts))
    aligned = _align(rendering.reference, rendering.parts)
    if aligned is not None:
        yield _runs(aligned, risky), None
        yield _runs(aligned, every), None
        return
    if not risky:
        yield [(rendering.reference, True)], None
    yield _runs([_trimmed(part) for part in rendering.parts], every), TRANSFORMED


def _align(reference: str, parts: Sequence[Part]) -> list[Part] | None:
    """The parts as they stand in the reference, each text as it is or trimmed; None when it is neither."""
    aligned, at = [], 0
    for part in parts:
        found = part if reference.startswith(part.text, at) else _trimmed(part)
        if not reference.startswith(found.text, at):
            return None
        aligned.append(found)
        at += len(found.text)
    return aligned if at == len(reference) else None


def _trimmed(part: Part) -> Part:
    return part if part.source is None else Part(part.text.strip(), part.source)


def _runs(parts: Sequence[Part], apart: Collection[int]) -> list[Run]:
    """Neighbouring parts joined, except the texts that are to stay apart."""
    runs: list[Run] = []
    for part in parts:
        is_apart = part.source in apart if part.source is not None else False
        if is_apart or not runs or not runs[-1][1]:
            runs.append((part.text, not is_apart))
        else:
            runs[-1] = (runs[-1][0] + part.text, True)
    return [run for run in runs if run[0]]


def _tokens(tokenizer: Tokenizer, runs: Sequence[Run]) -> list[int]:
    return [
        token
        for text, parse_special in runs
        for token in tokenizer.tokenize(text, parse_special=parse_special, add_bos=False)
    ]


def _own_tokens(tokenizer: Tokenizer, parts: Sequence[Part]) -> list[int]:
    """What the template's own parts become, each tokenized apart."""
    return _tokens(tokenizer, [(part.text, True) for part in parts if part.source is None and part.text])


def _controls(tokenizer: Tokenizer, tokens: Sequence[int]) -> list[int]:
    return [token for token in tokens if not tokenizer.piece(token)]


def _spells_control(tokenizer: Tokenizer, text: str) -> bool:
    """Whether a control token would appear if special tokens were on."""
    return bool(_controls(tokenizer, tokenizer.tokenize(text, parse_special=True, add_bos=False)))
