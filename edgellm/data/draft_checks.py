"""Whether a passage supports a drafted question and answer, as far as words tell.

Content words are compared by a common beginning, so that `departs` is found in `departure`. The rules speak about
words, not about meaning: a person looks at every pair before a model learns from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from enum import StrEnum

from edgellm.data.sentences import sentences

STEM = 5
"""Letters that two forms of a word share."""
SUPPORT = 0.85
"""Share of the answer's content words that the passage must hold."""
ASKED_SUPPORT = 0.5
"""The same of the question, which may use words of its own."""
LONGEST_QUESTION = 300
LONGEST_ANSWER = 1000
_WORD = re.compile(r"[^\W_]+(?:[.:,]\d+)*(?:['’]\w+)?")
_NUMBER = re.compile(r"\d")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]")
_ABOUT_THE_TEXT = re.compile(
    r"\b(?:(?:the|this|that|above|given|following) (?:text|passage|paragraph|document|fact|sentence|author|excerpt|"
    r"section|article)|according to the (?:text|passage|document)|mentioned (?:above|here))\b",
    re.IGNORECASE,
)
_COMMON_WORDS = (
    "a about above after again all also am an and any are as at be because been before being below between both but by "
    "can could did do does doing down during each few for from had has have having he her here hers him his how i if "
    "in into is it its just many may me might more most much must my no nor not of off on once only or other our out "
    "over own same she should so some such than that the their them then there these they this those through to too "
    "under until up upon very was we were what when where which while who whom whose why will with would you your yes "
    "called name names named"
)
_COMMON = frozenset(_COMMON_WORDS.split())
_DENIAL = re.compile(
    r"\b(?:no|not|nor|never|none|nobody|nothing|nowhere|neither|without|cannot)\b|n['’]t\b", re.IGNORECASE
)
_YES_OR_NO = re.compile(r"(?:yes|no)\b", re.IGNORECASE)
_ASKS_NAME = re.compile(r"\bnames? of\b|['’]s names?\b", re.IGNORECASE)
_ASKS_NUMBER = re.compile(r"\bhow many\b", re.IGNORECASE)
_NUMBER_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_SPELT = {word: str(value) for value, word in enumerate(_NUMBER_WORDS.split())}


class Refusal(StrEnum):
    """Why a drafted pair is not offered for training. Every refused pair has exactly one reason."""

    UNREADABLE = "unreadable"
    """The model wrote nothing that can be read: it was cut short."""
    EMPTY = "empty"
    """The question or the answer has no word, or is far too long."""
    ABOUT_THE_TEXT = "about_the_text"
    """The question speaks of "the text" or "the passage", which nobody who asks it has before them."""
    REPEATS = "repeats"
    """The answer says nothing that the question did not say, or says one thing twice."""
    NUMBER = "number"
    """A number of the answer or question is not in the passage."""
    NAME = "name"
    """A name of the question or the answer is not in the passage."""
    UNSUPPORTED = "unsupported"
    """Too many words of the answer or the question are not in the passage."""
    NEGATION = "negation"
    """The answer denies what the sentence nearest to it says, or says what that one denies."""
    BESIDE_THE_POINT = "beside_the_point"
    """Question and answer have no content word in common."""
    OTHER_KIND = "other_kind"
    """A question for a name whose answer has none that the question did not have, or for a number likewise."""
    DUPLICATE = "duplicate"
    """An earlier pair asks or answers the same."""
    MODEL = "model"
    """The model itself says that the passage does not support the answer."""


def refusal(question: str, answer: str, passage: str, earlier: AbstractSet[str] = frozenset()) -> Refusal | None:
    """Why the pair is refused, or None.

    `passage` is the text with its title, `earlier` the `keys` of pairs that were kept.
    """
    asked, said, held = content(question), content(answer), content(passage)
    if not asked or not said or len(question) > LONGEST_QUESTION or len(answer) > LONGEST_ANSWER:
        return Refusal.EMPTY
    if _ABOUT_THE_TEXT.search(question):
        return Refusal.ABOUT_THE_TEXT
    if (not said - asked and not _YES_OR_NO.match(answer)) or _says_twice(answer):
        return Refusal.REPEATS
    if any(_NUMBER.search(word) for word in (asked | said) - held):
        return Refusal.NUMBER
    if not (names(question) | names(answer)) <= held:
        return Refusal.NAME
    if len(said & held) < SUPPORT * len(said) or len(asked & held) < ASKED_SUPPORT * len(asked):
        return Refusal.UNSUPPORTED
    if _denies(answer) != _denies(_nearest(said, passage)):
        return Refusal.NEGATION
    if not asked & said:
        return Refusal.BESIDE_THE_POINT
    if (_ASKS_NAME.search(question) and not _any_names(answer) - asked) or (
        _ASKS_NUMBER.search(question) and not any(map(_NUMBER.search, said - asked))
    ):
        return Refusal.OTHER_KIND
    return Refusal.DUPLICATE if not earlier.isdisjoint(keys(question, answer)) else None


def keys(question: str, answer: str) -> frozenset[str]:
    """What pairs that ask or answer the same have in common: the words, whatever their case and punctuation."""
    return frozenset((f"q {_plain(question)}", f"a {_plain(answer)}"))


def content(text: str) -> set[str]:
    """Beginnings of the words that carry meaning, and whole numbers; number words are numbers."""
    return {_stem(word) for word in _words(text) if word not in _COMMON}


def names(text: str) -> set[str]:
    """Beginnings of capitalised words that do not begin a sentence."""
    found = set()
    for sentence in sentences(text):
        for word in list(_WORD.finditer(sentence))[1:]:
            if _is_name(word[0]):
                found.add(_stem(_bare(word[0].lower())))
    return found


def shared(passage: str, answer: str) -> list[tuple[int, int]]:
    """Where in the passage words of the answer are: begin and end, in characters."""
    said = content(answer)
    return [found.span() for found in _WORD.finditer(passage) if content(found[0]) & said]


def _words(text: str) -> Iterator[str]:
    """Words in small letters without a possessive ending; of scripts without spaces, every two characters."""
    for found in _WORD.finditer(text.lower()):
        word = _bare(found[0])
        if _UNSPACED.search(word) and len(word) > 2:
            yield from (word[at : at + 2] for at in range(len(word) - 1))
        else:
            yield word


def _bare(word: str) -> str:
    return re.sub(r"['’]\w+$", "", word)


def _stem(word: str) -> str:
    word = _SPELT.get(word, word)
    if _NUMBER.search(word):
        return word
    bare = re.sub(r"(?:ies|ied|y)$", "i", word)
    bare = re.sub(r"(?:ing|ed|es|s|e)$", "", bare)
    return (bare if len(bare) > 2 else word)[:STEM]


def _plain(text: str) -> str:
    return " ".join(_words(text))


def _any_names(text: str) -> set[str]:
    """Beginnings of capitalised words, the first of a sentence included unless it is a common one."""
    return {_stem(_bare(word.lower())) for word in _WORD.findall(text) if _is_name(word)}


def _is_name(word: str) -> bool:
    return word[:1].isupper() and word.lower() not in _COMMON


def _denies(text: str) -> bool:
    return _DENIAL.search(text) is not None


def _nearest(said: AbstractSet[str], passage: str) -> str:
    """The sentence that shares most with the words of an answer."""
    return max(sentences(passage), key=lambda sentence: len(content(sentence) & said), default="")


def _says_twice(answer: str) -> bool:
    said = [_plain(sentence) for sentence in sentences(answer)]
    return len(set(said)) < len(said)
