"""An answer's citations, checked: what does not exist is removed, what has no support is marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgellm.data.draft_checks import content
from edgellm.data.sentences import sentence_spans
from edgellm.retrieval.ground.passages import Passage
from edgellm.retrieval.ground.support import Support, best, support
from edgellm.types import Citation

FEWEST_WORDS = 2
"""Content words of a sentence that a passage is looked for; "The answer:" is in many by chance."""
_NUMBER = r"[1-9]\d{0,2}"
_AND = r"\s*+(?:,\s++and\s|[,;&]|(?<=\s)and\s)\s*+"
_NUMBERS = rf"\[\s*+(?:\^|passages?\s++)?({_NUMBER}(?:{_AND}{_NUMBER})*)\s*+\]"
"""A citation as models write it: `[1]`, `[1, 3]`, `[1 and 3]`, `[^1]`, `[passage 1]`.

A long run of blanks is read once: from its beginning, and nothing of it is given back.
"""
_CITED = re.compile(rf"(?<!\s)\s*+{_NUMBERS}", re.IGNORECASE)
_ALONE = re.compile(rf"([.!?。！？])((?:\s*+{_NUMBERS})+)", re.IGNORECASE)
"""Citations behind the full stop: they belong to the sentence before it."""
_BLOCK = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_CODE = re.compile(rf"{_BLOCK.pattern}|`[^`\n]+`", re.DOTALL)
_BRACKET = "\ud800"
"""Stands for a bracket within code, where `[1]` is an index; no text that was decoded has such a character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """An answer after its citations were checked."""

    text: str
    """With the citations that hold, `[n]` before the end of each sentence."""
    citations: tuple[Citation, ...]
    removed: int
    """Citations of passages that do not exist, or that do not hold what the sentence says."""
    unsupported: tuple[tuple[int, int], ...]
    """Sentences of `text` that no passage supports, in characters."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    """Without citations."""
    named: tuple[int, ...]
    before: str
    """Blanks between it and the sentence before it."""
    is_code: bool
    """Whether it is a block of code, which is left as it is."""


def check(answer: str, passages: Sequence[Passage]) -> Checked:
    """Hold each sentence against the passages it names, or against all when it names none that holds."""
    known = {passage.number: passage for passage in passages}
    text, citations, removed, unsupported = "", list[Citation](), 0, list[tuple[int, int]]()
    for sentence in _sentences(answer):
        supports = {number: _support(sentence.text, passage) for number, passage in known.items()}
        kept = [number for number in sentence.named if number in known and supports[number].is_enough]
        removed += len(sentence.named) - len(kept)
        is_short = len(content(sentence.text)) < FEWEST_WORDS
        added = [] if kept or sentence.is_code or is_short else _found(supports)
        found = [_citation(known[number], supports[number], not kept) for number in kept or added]
        begin = len(text) + len(sentence.before)
        text += sentence.before + _with_numbers(sentence.text, [citation.n for citation in found])
        citations += found
        if not found and not sentence.is_code and content(sentence.text) and not _found(supports):
            unsupported.append((begin, len(text)))
    text = text.replace(_BRACKET, "[")
    return Checked(text=text, citations=tuple(citations), removed=removed, unsupported=tuple(unsupported))


def _sentences(answer: str) -> list[_Sentence]:
    """The answer's sentences; citations that stand behind a full stop are moved before it first."""
    plain = _CODE.sub(lambda code: code[0].replace("[", _BRACKET), answer.strip())
    moved = _ALONE.sub(r"\2\1", plain)
    found, last = list[_Sentence](), 0
    for begin, end, is_code in _parts(moved):
        piece = moved[begin:end]
        named = [int(number) for cited in _CITED.findall(piece) for number in re.findall(_NUMBER, cited)]
        found.append(_Sentence(_CITED.sub("", piece), tuple(dict.fromkeys(named)), moved[last:begin], is_code))
        last = end
    return found


def _parts(text: str) -> Iterator[tuple[int, int, bool]]:
    """Begin and end of sentences and of blocks of code, in order, and whether it is code."""
    begin = 0
    for start, end in [*(block.span() for block in _BLOCK.finditer(text)), (len(text), len(text))]:
        yield from ((begin + first, begin + last, False) for first, last in sentence_spans(text[begin:start]))
        if start < end:
            yield start, end, True
        begin = end


def _support(sentence: str, passage: Passage) -> Support:
    return support(sentence, passage.hit.text, " ".join(passage.hit.headings))


def _found(supports: Mapping[int, Support]) -> list[int]:
    """The passage that supports a sentence best, if one does."""
    strongest = best(supports.items())
    return [strongest[0]] if strongest and strongest[1].is_enough else []


def _citation(passage: Passage, found: Support, is_added: bool) -> Citation:
    hit = passage.hit
    return Citation(
        n=passage.number,
        chunk_id=hit.chunk_id,
        file=hit.file,
        page=hit.page,
        headings=hit.headings,
        text=hit.text[found.start : found.end],
        start=hit.start + found.start,
        end=hit.start + found.end,
        score=round(found.share, 3),
        is_added=is_added,
    )


def _with_numbers(sentence: str, numbers: Sequence[int]) -> str:
    """`It costs nine crowns [1][3].`"""
    if not numbers:
        return sentence
    marks = " " + "".join(f"[{number}]" for number in numbers)
    bare = sentence.rstrip(".!?。！？")
    return bare.rstrip() + marks + sentence[len(bare) :]
