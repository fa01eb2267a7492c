"""WordPiece tokens as BERT counts them, without a library.

Paper: Schuster and Nakajima 2012, Japanese and Korean Voice Search; rules: BertNormalizer, BertPreTokenizer and
WordPiece of https://huggingface.co/docs/tokenizers. Both runtimes get these ids, so they cannot read a text otherwise
than each other, and what looks like a special token in a document stays text. llama.cpp's own WordPiece cuts Hangul and
words of more than a hundred characters otherwise.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from edgellm.safetext import normalised

_CACHED_WORDS = 200_000
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),  # begins too late in the library, and so in every model trained with it
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WordPieceRules:
    """How one model cuts texts."""

    vocabulary: Mapping[str, int]
    unknown: int
    cls: int
    sep: int
    is_lowercase: bool
    strips_accents: bool
    continuation: str = "##"
    word_limit: int = 100
    """A word of more characters is unknown as a whole."""


@dataclass(slots=True)
class WordPiece:
    """Cuts texts into token ids; what it finds for a word is kept."""

    rules: WordPieceRules
    _words: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def ids(self, text: str) -> list[int]:
        """Token ids without what stands around a text."""
        found: list[int] = []
        for word in self._split(text):
            found.extend(self._word(word))
        return found

    def wrapped(self, text: str, limit: int) -> list[int]:
        """At most `limit` ids: CLS, the text's first ones, SEP."""
        return [self.rules.cls, *self.ids(text)[: limit - 2], self.rules.sep]

    def count(self, text: str) -> int:
        """How many ids `ids` finds."""
        return sum(len(self._word(word)) for word in self._split(text))

    def _split(self, text: str) -> Iterator[str]:
        """Words and signs, normalised."""
        for word in self._normalised(text).split():
            start = 0
            for at, character in enumerate(word):
                if _is_punctuation(character):
                    if start < at:
                        yield word[start:at]
                    yield character
                    start = at + 1
            if start < len(word):
                yield word[start:]

    def _normalised(self, text: str) -> str:
        if not text.isascii():
            text = "".join(map(_cleaned, text))
            if self.rules.strips_accents:
                decomposed = normalised(text, "NFD")
                text = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
            return "".join(map(str.lower, text)) if self.rules.is_lowercase else text
        text = text.translate(_ASCII)
        return text.lower() if self.rules.is_lowercase else text

    def _word(self, word: str) -> tuple[int, ...]:
        known = self._words.get(word)
        if known is None:
            if len(self._words) >= _CACHED_WORDS:
                self._words.clear()
            known = self._words[word] = self._pieces(word)
        return known

    def _pieces(self, word: str) -> tuple[int, ...]:
        """The longest known beginning, again and again; a word with an unknown part is unknown as a whole."""
        rules, start, found = self.rules, 0, []
        if len(word) > rules.word_limit:
            return (rules.unknown,)
        while start < len(word):
            prefix = rules.continuation if start else ""
            for end in range(len(word), start, -1):
                number = rules.vocabulary.get(prefix + word[start:end])
                if number is not None:
                    found.append(number)
                    start = end
                    break
            else:
                return (rules.unknown,)
        return tuple(found)


def _cleaned(character: str) -> str:
    """Nothing for controls, a space for every kind of space, ideographs apart from their neighbours."""
    if character.isascii():
        return character.translate(_ASCII)
    category, code = unicodedata.category(character), ord(character)
    if code == 0xFFFD or category in ("Cc", "Cf", "Co"):
        return ""
    if character.isspace():
        return " "
    is_ideograph = code >= 0x3400 and any(first <= code <= last for first, last in _IDEOGRAPHS)
    return f" {character} " if is_ideograph else character


def _is_punctuation(character: str) -> bool:
    if character.isalnum():
        return False
    return character in _SIGNS or unicodedata.category(character).startswith("P")


_SIGNS = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_ASCII = {code: " " if chr(code) in "\t\n\r" else None for code in (*range(32), 127)}
