"""Personal data in texts: found by pattern and check digit, masked or reported."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from edgellm.data import checksums
from edgellm.data.rows import Dropped, Example, Reason, dropped
from edgellm.data.rules import Action, Kind, Rules
from edgellm.errors import InvalidInput, MissingExtra

Span = tuple[int, int]
Find = Callable[[str], Iterator[Span]]
"""A text to the start and end of every match."""

_GAP = r"[ \t\u00a0.\-\u2010-\u2015/]"
"""What stands between groups of digits, at most once."""
_START, _END = r"(?<!\d)(?<!\d\.)", r"(?!\d)"
_IBAN_START = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2})\d{2}")
_PHONE_LIKE = re.compile(r"(?:\d[\s()]*+(?:[.\-\u2010-\u2015/][\s()]*+)?){7}")
"""Gives nothing back that it has read: a long run of spaces would else be divided in every possible way."""


def _by_shape(shape: str, passes: Callable[[str], bool]) -> Find:
    """Matches of a pattern whose characters without separators pass a check."""
    pattern = re.compile(shape)

    def find(text: str) -> Iterator[Span]:
        for match in pattern.finditer(text):
            if passes(re.sub(rf"{_GAP}|[:#]", "", match[0])):
                yield match.span()

    return find


def _emails(text: str) -> Iterator[Span]:
    for match in _EMAIL.finditer(text):
        yield match.span()


_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}(?:xn--[\w-]{2,59}|[^\W\d_]{2,24})(?!\w)")


def _ibans(text: str) -> Iterator[Span]:
    """Account numbers of the length their country has, in one piece or in groups."""
    for start in _IBAN_START.finditer(text):
        length = checksums.IBAN_LENGTHS.get(start[1].upper())
        if length is None:
            continue
        rest = re.compile(rf"(?:[ \u00a0\-]?[A-Za-z0-9]){{{length - 4}}}(?![A-Za-z0-9])").match(text, start.end())
        if rest and checksums.is_iban(re.sub(_GAP, "", text[start.start() : rest.end()])):
            yield start.start(), rest.end()


FINDERS: Mapping[Kind, Find] = {
    Kind.EMAIL: _emails,
    Kind.IBAN: _ibans,
    Kind.CARD: _by_shape(
        rf"{_START}(?:\d{{13,19}}|\d{{4}}({_GAP})\d{{4}}\1\d{{4}}\1\d{{1,7}}|\d{{4}}({_GAP})\d{{6}}\2\d{{4,5}}){_END}",
        checksums.is_card,
    ),
    Kind.FRENCH_NIR: _by_shape(
        r"(?<!\w)[12378] ?\d{2} ?\d{2} ?(?:\d{2}|2[ABab]) ?\d{3} ?\d{3} ?\d{2}(?!\w)", checksums.is_french_nir
    ),
    Kind.AADHAAR: _by_shape(rf"{_START}(?:\d{{12}}|\d{{4}}({_GAP})\d{{4}}\1\d{{4}}){_END}", checksums.is_aadhaar),
    Kind.INDIAN_PAN: _by_shape(r"(?<!\w)[A-Z]{5}\d{4}[A-Z](?!\w)", checksums.is_indian_pan),
    Kind.US_SSN: _by_shape(r"(?<![\w-])\d{3}([- ])\d{2}\1\d{4}(?![\w-])", checksums.is_us_ssn),
    Kind.BRAZILIAN_CPF: _by_shape(
        rf"{_START}(?:\d{{3}}\.\d{{3}}\.\d{{3}}-\d{{2}}|\d{{11}}){_END}", checksums.is_brazilian_cpf
    ),
    Kind.POLISH_PESEL: _by_shape(rf"{_START}\d{{11}}{_END}", checksums.is_polish_pesel),
    Kind.SPANISH_DNI: _by_shape(r"(?<!\w)[XYZxyz\d]-?\d{7}-?[A-Za-z](?!\w)", checksums.is_spanish_dni),
    Kind.DUTCH_BSN: _by_shape(  # one number of nine digits in eleven passes: a BSN counts only behind its own name
        r"(?:(?<=BSN)|(?<=bsn)|(?<=servicenummer)|(?<=sofinummer))[ :#.]{0,3}\d{9}(?!\d)", checksums.is_dutch_bsn
    ),
}
"""Every kind but phone numbers, which need a library."""


class PersonalData:
    """Finds and treats personal data by the rules of one dataset; counts what it found.

    Raises: MissingExtra without `phonenumbers`; InvalidInput for an unknown phone region.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._finders = {**FINDERS, Kind.PHONE: phone_finder(rules.phone_region)}
        self._masked_kinds = [kind for kind in Kind if rules.action(kind) is Action.MASK]
        self.found: Counter[Kind] = Counter()
        """Matches by kind, over all texts treated so far."""

    def treat(self, example: Example) -> Example | Dropped:
        """The example with masks in place of matches, or why it is dropped."""
        found: Counter[Kind] = Counter()
        messages = tuple(replace(each, content=self._treated(each.content, found)) for each in example.messages)
        text = self._treated(example.text, found)
        self.found += found
        forbidden = [kind.value for kind in Kind if found[kind] and self._rules.action(kind) is Action.DROP]
        if forbidden:
            return dropped(example.source, Reason.PERSONAL_DATA, f"holds {', '.join(forbidden)}")
        return Example(example.source, messages, text)

    def _treated(self, text: str, found: Counter[Kind]) -> str:
        """The text with masks; repeated, at most `MOST_PASSES` times, because a mask changes what stands beside it."""
        if not _may_hold_any(text):
            return text
        for kind in Kind:
            if kind not in self._masked_kinds:
                found[kind] += len(list(self._finders[kind](text)))
        for _ in range(MOST_PASSES):
            before = text
            for kind in self._masked_kinds:
                spans = list(self._finders[kind](text))
                found[kind] += len(spans)
                text = with_masks(text, spans, f"[{kind.value}]")
            if text == before:
                return text
        return _WITH_DIGITS.sub("[masked]", text)


def with_masks(text: str, spans: Iterable[Span], mask: str) -> str:
    """The text with `mask` in place of each span; they are in order, those that overlap are one."""
    parts, done = list[str](), 0
    for start, end in spans:
        if start >= done:
            parts += (text[done:start], mask)
        done = max(done, end)
    return "".join((*parts, text[done:]))


def _may_hold_any(text: str) -> bool:
    """A quick look that spares most texts the patterns: every kind has an @ or a few digits."""
    return "@" in text or _FEW_DIGITS.search(text) is not None


_FEW_DIGITS = re.compile(r"(?:\d\D*){4}")
MOST_PASSES = 8
"""No person writes a text in which more masks lay bare one another in turn: of such a text no number stays at all."""
_WITH_DIGITS = re.compile(r"(?<!\S)[^\s\d@]*+[\d@]\S*+")


def phone_finder(region: str | None) -> Find:
    """Finds numbers that Google's libphonenumber calls valid; `region` is a country whose national numbers count.

    Raises: MissingExtra, InvalidInput.
    """
    try:
        import phonenumbers  # deferred: an optional install
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "Reading examples needs phonenumbers.", hint="Install it with: pip install 'edgellm[train]'", extra="train"
        ) from error
    if region is not None and region not in phonenumbers.SUPPORTED_REGIONS:
        hint = "A region has two letters: IN, DE, US."
        raise InvalidInput(f"{region!r} is no region of phone numbers.", hint=hint, field="phone_region")

    def find(text: str) -> Iterator[Span]:
        if _PHONE_LIKE.search(text):
            for match in phonenumbers.PhoneNumberMatcher(text, region):
                yield match.start, match.end

    return find
