"""Documentation that installs as Debian packages, and questions made from its own headings."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.arms.base import ArmFailed
from edgellm.retrieval.questions import Question

FEWEST_WORDS = 4
"""Shorter headings ("Tools") ask nothing that has one answer."""
_HEADING = re.compile(r"<h[2-4][^>]*>(.*?)</h[2-4]>", re.DOTALL)
_LANGUAGE = re.compile(r"\.[a-z]{2}\.html$")
"""Pages like `index.de.html`; the one without a language is the English one."""
_NUMBER = re.compile(r"^[\d.]+\.\s+")


@dataclass(frozen=True, slots=True)
class Corpus:
    """A folder of documents of one package."""

    name: str
    package: str
    folder: Path

    def files(self) -> list[Path]:
        """Its pages. Raises: ArmFailed when the package is not installed."""
        found = [path for path in sorted(self.folder.rglob("*.html")) if not _LANGUAGE.search(path.name)]
        if not found:
            raise ArmFailed(f"{self.folder} has no pages: apt-get install {self.package}")
        return found

    def questions(self) -> list[Question]:
        """One for each heading that occurs once and says enough; the answer is the passage below it."""
        asked: dict[str, list[Question]] = {}
        for path in self.files():
            for heading in _headings(path):
                bare = _NUMBER.sub("", heading)
                if len(bare.split()) >= FEWEST_WORDS:
                    question = Question(question=bare, file=str(path), heading=heading)
                    asked.setdefault(bare.lower(), []).append(question)
        return [questions[0] for questions in asked.values() if len(questions) == 1]


FAQ = Corpus("Debian FAQ", "debian-faq", Path("/usr/share/doc/debian/FAQ"))
HANDBOOK = Corpus("Debian handbook", "debian-handbook", Path("/usr/share/doc/debian-handbook/html/en-US"))
PYTHON = Corpus("Python documentation", "python3-doc", Path("/usr/share/doc/python3.11/html"))
CORPORA = (FAQ, HANDBOOK, PYTHON)


def _headings(path: Path) -> Iterator[str]:
    for found in _HEADING.finditer(path.read_text(encoding="utf-8", errors="replace")):
        text = " ".join(html.unescape(re.sub(r"<[^>]+>", "", found[1])).replace("¶", "").split())
        if text:
            yield text
