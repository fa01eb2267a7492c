"""The one sanitiser for untrusted text: nothing that comes out can steer a terminal or hide from the reader.

Rule, character by character, so that it holds for every chunk of a stream:

- Shown instead of obeyed: C0 controls and DEL as their control picture (ESC is ␛, BEL ␇, a lone carriage
  return ␍); C1 controls and bidirectional embeddings, overrides and isolates as their number (⟨U+202E⟩).
- Kept: newline and tab. A carriage return before a newline is dropped; Unicode's line and paragraph separators
  become newlines. Letters, marks and emoji of every script pass.
- Removed: characters without a shape of their own (zero-width space, byte-order mark, soft hyphen, direction
  marks, tags, fillers). Two of them carry meaning and stay where they do: a joiner (U+200C, U+200D) directly after
  a letter or mark of a script that joins (Arabic, Indic and their relatives) or after an emoji, and one variation
  selector after a visible character.
- Replaced by U+FFFD: lone surrogates, which no encoder accepts.

An escape sequence loses its first character and stays readable: its text is never swallowed, so a sequence without
an end cannot hide the rest of an answer. Markup languages of a face ([bold], <b>) are not treated here.

`normalised` brings untrusted text into a normal form of Unicode; nothing else here does, because without a limit on its
marks that takes hours.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from itertools import takewhile
from typing import Literal

_BIDI = "\u202a-\u202e\u2066-\u2069"
_SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_JOINERS = "\u200c\u200d"
_SHAPELESS = (  # Unicode's default ignorable characters but for the three groups above, and interlinear annotation
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0"
    "\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f"
_SPECIAL = re.compile(f"[{_CONTROLS}{_BIDI}{_SELECTORS}{_JOINERS}{_SHAPELESS}\u2028\u2029\ud800-\udfff]+")

_SELECTOR = re.compile(f"[{_SELECTORS}]")
_SHAPELESS_ONE = re.compile(f"[{_SHAPELESS}]")
_JOINING = re.compile(
    "[\u0600-\u07ff\u0840-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af\u1900-\u1aaf\u1b00-\u1c4f\u1cd0-\u1cff"
    "\ua800-\ua8ff\ua900-\uaaff\uabc0-\uabff\ufb50-\ufdff\ufe70-\ufefc"
    "\U00010a00-\U00010aff\U00010d00-\U00010fff\U00011000-\U00011fff\U0001e900-\U0001e95f]"
)
_EMOJI = re.compile("[\u00a9\u00ae\u203c-\u3299\ufe0f\U0001f000-\U0001faff]")
_NO_LINES = str.maketrans("\n\t", "  ")


def clean(text: str, *, keep_newlines: bool = True) -> str:
    """`text` made harmless for terminals, logs and exports; cleaning twice changes nothing more.

    Without `keep_newlines` every newline and tab becomes a space.
    """
    cleaner = StreamCleaner(keep_newlines=keep_newlines)
    return cleaner.feed(text) + cleaner.flush()


def clean_line(text: str) -> str:
    """`text` made harmless and brought onto one line, for titles, names and log lines."""
    return clean(text, keep_newlines=False)


class StreamCleaner:
    """Cleans a text that arrives in chunks; any cut of the text gives the same result as the whole.

    Nothing is held back but a carriage return at the end of a chunk, until the next character decides about it.
    """

    def __init__(self, *, keep_newlines: bool = True) -> None:
        self._keep_newlines = keep_newlines
        self._before = ""  # last character given out
        self._held = ""

    def feed(self, chunk: str) -> str:
        """The clean text of `chunk`, ready to be shown."""
        text = self._held + chunk
        self._held = "\r" if text.endswith("\r") else ""
        return self._clean(text.removesuffix("\r").replace("\r\n", "\n"))

    def flush(self) -> str:
        """What was held back; call it once the text is over."""
        held, self._held = self._held, ""
        return self._clean(held)

    def _clean(self, text: str) -> str:
        cleaned = _SPECIAL.sub(self._replace_run, text)
        if cleaned:
            self._before = cleaned[-1]
        return cleaned if self._keep_newlines else cleaned.translate(_NO_LINES)

    def _replace_run(self, run: re.Match[str]) -> str:
        before = run.string[run.start() - 1] if run.start() else self._before
        parts: list[str] = []
        for character in run.group():
            part = _replacement(character, before)
            if part:
                parts.append(part)
                before = part[-1]
        return "".join(parts)


def _replacement(character: str, before: str) -> str:
    """What stands for one special character, given the visible character before it."""
    if character in "\u200c\u200d":
        return character if _JOINING.match(before) or (character == "\u200d" and _EMOJI.match(before)) else ""
    if _SELECTOR.match(character):
        return character if _can_vary(before) else ""
    if _SHAPELESS_ONE.match(character):
        return ""
    if character in "\u2028\u2029":
        return "\n"
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"
    return _picture(character)


def _can_vary(before: str) -> bool:
    return bool(before) and not before.isspace() and before not in "\u200c\u200d" and not _SELECTOR.match(before)


def _picture(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"⟨U+{code:04X}⟩"


_UNSAFE_IN_NAME = re.compile(r'[\s/\\:*?"<>|\x00-\x1f]+')
_NAME_BYTES = 120


def safe_file_name(text: str) -> str:
    """A file name made from `text`: no separators, no leading dot or dash, at most 120 bytes, never empty.

    The same text gives the same name; two texts may share one.
    """
    name = _UNSAFE_IN_NAME.sub("-", normalised(clean_line(text), "NFC"))
    name = name.encode()[:_NAME_BYTES].decode(errors="ignore").strip(".-_ ")
    return name or "untitled"


MOST_MARKS = 30
"""In a row, counted as Unicode's compatible decomposition has them."""
_JOINER = "\u034f"


def normalised(text: str, form: Literal["NFC", "NFD", "NFKC"]) -> str:
    """`text` in a normal form of Unicode, in time that grows with its length and no faster.

    Marks in a row are sorted in time that grows with the square of their number, so no row is longer than `MOST_MARKS`.
    """
    return unicodedata.normalize(form, stream_safe(text))


def stream_safe(text: str) -> str:
    """`text` with U+034F in rows of marks, so that none is longer than `MOST_MARKS`; nearly every text as it is.

    The Stream-Safe Text Process of UAX #15, section 13. Neither doing it twice nor normalising afterwards adds more.
    """
    return text if text.isascii() else _rows().sub(_divided, text)


@cache
def _rows() -> re.Pattern[str]:
    """What may hold too long a row: marks, or characters of the planes whose marks would make the pattern slow."""
    low = map(chr, range(0x300, 0x10000))
    marks = "".join(each for each in low if unicodedata.combining(unicodedata.normalize("NFKD", each)[0]))
    one = f"[{marks}\U00010000-\U0001efff]"
    return re.compile(f"{one}{one}{{13,}}")  # of which 3 stand behind the letter, and each is two at most


def _divided(run: re.Match[str]) -> str:
    parts: list[str] = []
    row = _edges(run.string[run.start() - 1])[1] if run.start() else 0
    for character in run.group():
        leading, trailing = _edges(character)
        if row + leading > MOST_MARKS:
            parts.append(_JOINER)
            row = 0
        parts.append(character)
        row = row + leading if leading else trailing
    return "".join(parts)


@lru_cache(maxsize=4096)
def _edges(character: str) -> tuple[int, int]:
    """With how many marks a character begins, decomposed, and ends; one that begins with a mark is nothing else."""
    parts = unicodedata.normalize("NFKD", character)
    leading, trailing = (sum(1 for _ in takewhile(unicodedata.combining, row)) for row in (parts, reversed(parts)))
    return leading, trailing
