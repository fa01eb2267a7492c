"""Folders of invented sentences, the same for the same seed."""

from __future__ import annotations

import random
from pathlib import Path

WHO = ("the keeper", "a sailor", "the old cook", "her sister", "the baker", "a lost dog", "the young captain")
DID = ("carried", "painted", "sold", "found", "hid", "mended", "forgot")
WHAT = ("a brass lamp", "the red boat", "three maps", "a letter", "the green door", "12 apples", "an empty jar")
WHERE = ("by the harbour", "in the kitchen", "on the hill", "under the stairs", "before the storm", "at noon")


def sentences(chars: int, seed: int = 0) -> str:
    """About so many characters, with a blank line after every few sentences."""
    chance = random.Random(seed)
    parts: list[str] = []
    length = 0
    while length < chars:
        words = [chance.choice(part) for part in (WHO, DID, WHAT, WHERE)]
        parts.append(" ".join(words).capitalize() + (".\n\n" if chance.random() < 0.2 else ". "))
        length += len(parts[-1])
    return "".join(parts)


def text_folder(path: Path, chars: int = 120_000, files: int = 3) -> Path:
    """A folder of text files. Returns: `path`."""
    path.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        (path / f"part-{number}.txt").write_text(sentences(chars // files, number), encoding="utf-8")
    return path
