"""From rendered messages to token ids, with user text that stays text.

A template mixes its own markers (`<|im_end|>`, `[INST]`) with what people wrote. Each conversation is rendered twice:
once as it is (the reference) and once with a private placeholder for each text (the skeleton). The skeleton
shows which parts the template wrote, and only these may become control tokens.

Rule. Where the reference equals the skeleton with the texts put in (as they are, trimmed, or as JSON writes them),
texts that spell no control token are tokenized together with the template's parts around them, as every other
runtime does, and texts that spell one are tokenized apart, with special tokens switched off. Where the template
transforms texts in another way, the reference is tokenized as a whole if no text spells a control token; otherwise
the skeleton is used with the texts apart, and a notice says so. The control tokens of the result must be those of
the skeleton's own parts; a result that has others is never used.

Some files declare turn markers as ordinary added tokens, which tokenizers recognise in any text. Markers that the
template writes itself count as control tokens here, and a text apart is cut inside them.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgellm.errors import TemplateRejected

TRANSFORMED = (
    "The chat template rewrites message texts; it was not shown them, because they would have spelled a control token."
)

_OPEN, _CLOSE = "\ue000", "\ue001"
_MARKER = re.compile(rb"<[!-;=?-~]+>|\[/?[A-Z_]+\]")
"""Single tokens that look like `<start_of_turn>` or `[INST]`."""


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
    markers = Markers(tokenizer, rendering.parts or ())
    for runs, notice in _attempts(rendering, markers):
        tokens = markers.tokens(runs)
        if rendering.parts is None or markers.controls(tokens) == markers.expected:
            start = tokenizer.tokenize("", parse_special=False, add_bos=True) if add_bos else []
            return Prompt(tokens=(*start, *tokens), notice=notice)
    raise TemplateRejected(
        "The chat template cuts message texts up, and one of them spells a control token.",
        hint="Take the control token out of the text, or use a model whose template passes texts on whole.",
    )


class Markers:
    """Which tokens belong to the template alone."""

    def __init__(self, tokenizer: Tokenizer, parts: Sequence[Part]) -> None:
        self._tokenizer = tokenizer
        self._known: dict[Run, list[int]] = {}
        """Tokens of stretches: between a hundred tools stand the same few texts."""
        self._cut = re.compile("(?!)")
        own = self.tokens([(part.text, True) for part in parts if part.source is None and part.text])
        self._pieces = {piece for piece in map(tokenizer.piece, own) if _MARKER.fullmatch(piece)}
        names = [piece.decode() for piece in self._pieces]
        if names:
            self._cut = re.compile("|".join(f"(?<={re.escape(name[0])})(?={re.escape(name[1:])})" for name in names))
        self.expected = self.controls(own)
        """The control tokens of the template's own parts, each tokenized apart."""

    def controls(self, tokens: Sequence[int]) -> list[int]:
        """Those of the tokens that no text may add."""
        pieces = map(self._tokenizer.piece, tokens)
        return [token for token, piece in zip(tokens, pieces, strict=True) if not piece or piece in self._pieces]

    def tokens(self, runs: Sequence[Run]) -> list[int]:
        """The runs' tokens, one run after the other."""
        tokens: list[int] = []
        for text, parse_special in runs:
            for stretch in [text] if parse_special else self._cut.split(text):
                tokens += self._tokens_of((stretch, parse_special))
        return tokens

    def _tokens_of(self, run: Run) -> list[int]:
        if run not in self._known:
            self._known[run] = self._tokenizer.tokenize(run[0], parse_special=run[1], add_bos=False)
        return self._known[run]


def _attempts(rendering: Rendering, markers: Markers) -> Iterator[tuple[list[Run], str | None]]:
    """Ways to tokenize the rendering, most faithful first."""
    whole: list[Run] = [(rendering.reference, True)]
    every = range(len(rendering.texts))
    aligned = None if rendering.parts is None else _align(rendering.reference, rendering.parts)
    if aligned is not None:
        yield whole, None
    risky = {at for at in every if markers.controls(markers.tokens([(rendering.texts[at], True)]))}
    if aligned is not None:
        yield _runs(aligned, risky), None
        yield _runs(aligned, every), None
        return
    if not risky:
        yield whole, None
    if rendering.parts is not None:
        yield _runs([_trimmed(part) for part in rendering.parts], every), TRANSFORMED


def _align(reference: str, parts: Sequence[Part]) -> list[Part] | None:
    """The parts as they stand in the reference; None when a text stands there in none of its forms."""
    aligned, at = [], 0
    for part in parts:
        found = next((form for form in _forms(part) if reference.startswith(form.text, at)), None)
        if found is None:
            return None
        aligned.append(found)
        at += len(found.text)
    return aligned if at == len(reference) else None


def _forms(part: Part) -> Iterator[Part]:
    """The part as it is; a text also trimmed, and as the inside of a JSON string."""
    yield part
    if part.source is not None:
        for text in (part.text, part.text.strip()):
            yield Part(text, part.source)
            yield Part(json.dumps(text, ensure_ascii=False)[1:-1], part.source)


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
