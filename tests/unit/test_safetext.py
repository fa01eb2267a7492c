"""Nothing hostile passes the sanitiser, however the text is cut, and real languages pass unharmed."""

from __future__ import annotations

import itertools
import sys
import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.safetext import (
    MOST_MARKS,
    StreamCleaner,
    clean,
    clean_line,
    normalised,
    safe_file_name,
    stream_safe,
)
from tests.rules.sources import ROOT

PAYLOADS = {
    "clipboard, OSC 52": "\x1b]52;c;cm0gLXJm\x07",
    "title, OSC 2": "\x1b]2;owned\x1b\\",
    "link, OSC 8": "\x1b]8;;file:///etc/passwd\x1b\\click\x1b]8;;\x1b\\",
    "clear screen": "\x1b[2J\x1b[H",
    "terminal answers back": "\x1b[6n\x1b[c",
    "DCS": "\x1bP+q544e\x1b\\",
    "APC": "\x1b_Gf=100;AAAA\x1b\\",
    "8-bit CSI": "\x9b2J",
    "8-bit OSC": "\x9d52;c;aGk=\x9c",
    "bell and backspace": "safe\x08\x08\x08\x08evil\x07",
    "overwrite": "harmless\rrm -rf /",
    "NUL": "a\x00b",
    "right-to-left override": "invoice\u202egpj.exe",
    "isolates": "\u2066a\u2067b\u2068c\u2069",
    "tags": "hi\U000e0049\U000e0067\U000e006e",
    "surrogate": "a\ud800b",
    "unterminated": "\x1b]0;never ends ... the rest of the answer",
}

# Strings that are right as they are: the sanitiser must not touch them.
REAL_TEXTS = [
    "हिन्दी: क्\u200dष और क्\u200cष",
    "فارسی: می\u200cخواهم نامه\u200cای بنویسم",
    "العربية: ه\u200d",
    "മലയാളം: ന്\u200d",
    "සිංහල: ශ්\u200dරී",
    "family 👨\u200d👩\u200d👧 astronaut 👩🏽\u200d🚀 heart ❤\ufe0f\u200d🔥 bear 🐻\u200d❄\ufe0f keycap 1\ufe0f\u20e3",
    "日本語 葛\U000e0100 한국어 ไทย עברית",
    "combining: e\u0301 and a\u0308",
    "code:\n\tif a < b and c > d:\n\t\treturn [x & 1]\n",
    "x" * 100_000,
]

HOSTILE = "".join(PAYLOADS.values()) + "\r\n\u200b\u200c\u200d\ufe0f\ufeff\u2028\u2029\u00ad" + "ब्👩🏽🚀é\n\t "
texts = st.text(alphabet=st.one_of(st.sampled_from(HOSTILE), st.characters()), max_size=60)


def forbidden(character: str) -> bool:
    """Whether a terminal could act on the character, or a reader could not see it, wherever it stands."""
    if character in "\n\t\u200c\u200d":
        return False
    if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}:
        return True
    return unicodedata.bidirectional(character) in {
        "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "BN"
    }  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_payload_is_harmless(payload: str) -> None:
    cleaned = clean(payload)
    assert cleaned.isprintable() or "\n" in cleaned
    assert not any(forbidden(character) for character in cleaned)


def test_what_was_a_command_is_shown_to_the_reader() -> None:
    assert clean("\x1b]52;c;aGk=\x07") == "␛]52;c;aGk=␇"
    assert clean("a\x9b2J") == "a⟨U+009B⟩2J"
    assert clean("x\u202ey") == "x⟨U+202E⟩y"
    assert clean("safe\rrm") == "safe␍rm"
    assert clean("a\x00b\x7f") == "a␀b␡"


def test_every_code_point_alone() -> None:
    cleaned = clean("".join(f"a{chr(code)}b" for code in range(sys.maxunicode + 1)))
    assert [f"U+{ord(c):04X}" for c in sorted(set(cleaned)) if forbidden(c)] == []


@pytest.mark.parametrize("text", REAL_TEXTS, ids=lambda text: text[:12])
def test_real_text_is_untouched(text: str) -> None:
    assert clean(text) == text


def test_joiners_and_selectors_go_where_they_mean_nothing() -> None:
    assert clean("pass\u200dword\u200c!") == "password!"
    assert clean("\u200dk \ufe0fk\ufe0f\ufe0f\ufe0f") == "k k\ufe0f"
    assert clean("क\u200d\u200d\u200dष") == "क\u200dष"


def test_line_ends_become_newlines() -> None:
    assert clean("a\r\nb\u2028c\u2029d\r\r\n") == "a\nb\nc\nd␍\n"


def test_clean_line_is_one_line() -> None:
    assert clean_line("a\nb\tc\r\nd\u2028e") == "a b c d e"


@given(texts)
def test_output_holds_nothing_forbidden(text: str) -> None:
    assert not any(forbidden(character) for character in clean(text))
    clean(text).encode()


@given(texts)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    assert clean_line(clean_line(text)) == clean_line(text)


@given(texts, st.lists(st.integers(0, 60), max_size=8), st.booleans())
def test_any_cut_gives_the_whole(text: str, cuts: list[int], keep_newlines: bool) -> None:
    cleaner = StreamCleaner(keep_newlines=keep_newlines)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [cleaner.feed(text[start:end]) for start, end in itertools.pairwise(edges)]
    assert "".join(pieces) + cleaner.flush() == clean(text, keep_newlines=keep_newlines)


@given(texts)
def test_a_stream_holds_back_at_most_a_carriage_return(text: str) -> None:
    cleaner = StreamCleaner()
    cleaner.feed(text)
    assert cleaner.flush() == ("␍" if text.endswith("\r") else "")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Plan: A/B\\C?", "Plan-A-B-C"),
        ("../../etc/passwd", "etc-passwd"),
        (".hidden", "hidden"),
        ("--help", "help"),
        ("हिन्दी पाठ", "हिन्दी-पाठ"),
        ("", "untitled"),
        ("...", "untitled"),
        ("x" * 500, "x" * 120),
    ],
)
def test_safe_file_name(text: str, name: str) -> None:
    assert safe_file_name(text) == name


@given(texts)
def test_file_names_stay_in_their_folder(text: str) -> None:
    name = safe_file_name(text)
    assert name
    assert len(name.encode()) <= 120
    assert not set(name) & set('/\\\0:*?"<>|\n')
    assert name[0] not in ".-"


marks = st.text(st.sampled_from("\u0301\u0323\u0344\u0f73\uff9e\U0001e8d0\U0001d160\u1f82\u0958aé"), max_size=120)


def longest_row(text: str) -> int:
    """Of marks, counted as UAX #15 counts them."""
    longest = row = 0
    for character in unicodedata.normalize("NFKD", text):
        row = row + 1 if unicodedata.combining(character) else 0
        longest = max(longest, row)
    return longest


@given(marks)
def test_no_row_of_marks_is_long(text: str) -> None:
    safe = stream_safe(text)
    assert longest_row(safe) <= MOST_MARKS
    assert safe.replace("\u034f", "") == text
    assert (safe == text) == (longest_row(text) <= MOST_MARKS)


@given(marks, st.sampled_from(["NFC", "NFD", "NFKC"]))
def test_normalising_is_unicodes_own_and_needs_no_second_time(text: str, form: Literal["NFC", "NFD", "NFKC"]) -> None:
    found = normalised(text, form)
    assert normalised(found, form) == stream_safe(found) == found
    if stream_safe(text) == text:
        assert found == unicodedata.normalize(form, text)


def test_nothing_else_normalises() -> None:
    sources = [*(ROOT / "edgellm").rglob("*.py"), *(ROOT / "tui").rglob("*.py")]
    found = [path.name for path in sources if "unicodedata.normalize(" in path.read_text(encoding="utf-8")]
    assert found == ["safetext.py"], "Use `edgellm.safetext.normalised`: a long row of marks would take hours."


def test_what_the_pattern_of_marks_takes_for_granted_holds_of_every_character() -> None:
    """One that begins with a mark is one or two marks and below U+1F000; any other ends with three at most."""
    for code in range(sys.maxunicode + 1):
        parts = unicodedata.normalize("NFKD", chr(code))
        ending = len(list(itertools.takewhile(unicodedata.combining, reversed(parts))))
        if unicodedata.combining(parts[0]):
            assert ending == len(parts) <= 2
            assert 0x300 <= code < 0x1F000
        else:
            assert ending <= 3
