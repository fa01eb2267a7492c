"""The texts of a folder, cut into passages, without what cannot be read or comes twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgellm.data.detect import opened
from edgellm.data.reading import Reading
from edgellm.data.rows import Example
from edgellm.data.text_reader import read_text, text_files
from edgellm.errors import DataRejected
from edgellm.sizes import size

LEAST_CHARS = 20_000
"""Less is neither enough for a tokenizer nor for a model: about ten pages."""
MOST_BYTES = 64 * 1024**2
"""Every token is held in memory, at about 40 bytes; so much text is more than an hour's work on two cores."""
LONGEST_CHARS = 16_000
"""Where a text has no blank line it is cut here: tokenizers are slow on words without an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """What a model is made from."""

    passages: tuple[str, ...]
    """About 4,000 characters each, in the order of their SHA-256, which has nothing to do with their places."""
    files: int
    """Files that were read."""
    skipped: tuple[str, ...]
    """For each file that was not, its name and the reason."""
    duplicates: int
    """Passages that came more than once."""

    @property
    def chars(self) -> int:
        """Characters of all passages."""
        return sum(map(len, self.passages))


def read_corpus(folder: Path) -> Corpus:
    """The .txt and .md files below a folder.

    Raises: DataRejected when there is none, or too little or too much text in them.
    """
    if not folder.is_dir():
        raise DataRejected(
            f"{str(folder)!r} is not a folder.", hint="Give a folder of .txt or .md files.", file=str(folder)
        )
    paths = text_files(folder, str(folder))
    _refuse_too_much(folder, paths)
    kept: dict[bytes, str] = {}
    skipped: list[str] = []
    count = 0
    for path in paths:
        try:
            found = list(_passages(path, str(path.relative_to(folder))))
        except DataRejected as error:
            skipped.append(error.message)
            continue
        count += len(found)
        kept |= {hashlib.sha256(text.encode()).digest(): text for text in found}
    corpus = Corpus(
        passages=tuple(text for _, text in sorted(kept.items())),
        files=len(paths) - len(skipped),
        skipped=tuple(skipped),
        duplicates=count - len(kept),
    )
    _refuse_too_little(folder, corpus)
    return corpus


def _passages(path: Path, name: str) -> Iterator[str]:
    with opened(path, name) as handle:
        for record in read_text(handle, Reading(name), name):
            text = record.text.strip() if isinstance(record, Example) else ""
            for at in range(0, len(text), LONGEST_CHARS):
                yield text[at : at + LONGEST_CHARS]


def _refuse_too_much(folder: Path, paths: list[Path]) -> None:
    found = sum(path.stat().st_size for path in paths if path.is_file())
    if found > MOST_BYTES:
        raise DataRejected(
            f"{str(folder)!r} holds {size(found)} of text; at most {size(MOST_BYTES)} are read.",
            hint="Put a part of the files into a folder of its own.",
            file=str(folder),
        )


def _refuse_too_little(folder: Path, corpus: Corpus) -> None:
    if corpus.chars >= LEAST_CHARS:
        return
    why = f" Files that were skipped: {len(corpus.skipped)}. The first: {corpus.skipped[0]}" if corpus.skipped else ""
    raise DataRejected(
        f"{str(folder)!r} holds {corpus.chars:,} characters of text in {corpus.files} files that can be read; "
        f"at least {LEAST_CHARS:,} are needed.{why}",
        hint="A model learns a language from millions of characters; a book has about half a million.",
        file=str(folder),
    )
