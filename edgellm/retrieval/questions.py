"""Questions whose place in the documents is known, from a file of JSON lines.

    {"question": "What does a ticket cost?", "file": "fares.pdf", "page": 3}
    {"question": "Who keeps the lamp?", "file": "keepers.md", "passage": "Ruben Astley keeps the lamp"}

`file` is the end of a name in the collection; `page`, `heading` and `passage` (words that must stand in it) may be
left out.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgellm.decoding import from_json
from edgellm.errors import InvalidInput
from edgellm.retrieval.values import Hit

MOST_BYTES = 64 * 1024**2


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question, and where its answer is."""

    question: str
    file: str
    page: int | None = None
    heading: str = ""
    passage: str = ""

    def is_answered_by(self, hit: Hit) -> bool:
        """Whether the hit is at the expected place."""
        return (
            _is_end_of(self.file, hit.file)
            and self.page in (None, hit.page)
            and (not self.heading or _plain(self.heading) in map(_plain, hit.headings))
            and _plain(self.passage) in _plain(hit.text)
        )


def read_questions(path: Path) -> list[Question]:
    """Every question of the file. Raises: InvalidInput with file and line of what is wrong."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InvalidInput(f"{path} is too large for a file of questions.", field="questions")
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", field="questions") from error
    found = [_question(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        hint = 'One a line: {"question": "...", "file": "..."}'
        raise InvalidInput(f"{path} has no question.", hint=hint, field="questions")
    return found


def _question(path: Path, number: int, line: bytes) -> Question:
    try:
        found = from_json(line, type=Question)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        hint = 'A line looks like {"question": "...", "file": "...", "page": 3}.'
        raise InvalidInput(f"{path}:{number}: {error}.", hint=hint, field="questions", line=number) from error
    if not found.question.strip() or not found.file.strip():
        raise InvalidInput(
            f"{path}:{number}: a question and its file must not be empty.", field="questions", line=number
        )
    return found


def _is_end_of(end: str, name: str) -> bool:
    return name == end or name.endswith("/" + end.lstrip("/"))


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
