"""Rows that say nearly the same, by MinHash and locality-sensitive hashing.

A text is the set of its overlapping pieces of five characters; two texts are as similar as these sets (Jaccard). A
signature keeps the smallest of each of `PERMUTATIONS` hashes over the set: the share of equal entries estimates the
similarity without bias (Broder, "On the resemblance and containment of documents", 1997). Signatures are cut into
bands; rows that share a whole band are compared (Indyk and Motwani 1998).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from edgellm.data.rows import Row, TextRow, content_id
from edgellm.safetext import normalised

PERMUTATIONS = 128
BAND_ROWS = 4
"""32 bands of 4: a pair of similarity 0.8 shares no band once in 20 million times, one of 0.7 once in 6,000 times."""
MARGIN = 0.15
"""Pairs estimated at up to this much below the wanted similarity are linked too: 4 standard errors at 0.8."""
PIECE_CHARS = 5
BLOCK_PIECES = 4096
LARGEST_BUCKET = 128
"""A band that more rows share is joined with the next one, so that rows of one pattern need not all be compared."""
MOST_BANDS = 4
"""Rows that share this many bands in a row, and are too many still, are linked without a comparison."""
COMPARED_AT_ONCE = 100_000
_NOISE = re.compile(r"[\W_]+")
_DIGIT = re.compile(r"\d")

Hashes = npt.NDArray[np.uint64]
Signature = npt.NDArray[np.uint32]
Rows = npt.NDArray[np.int64]

_random = np.random.default_rng(1997)
_FACTORS: Hashes = _random.integers(0, 2**63, PERMUTATIONS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_OFFSETS: Hashes = _random.integers(0, 2**63, PERMUTATIONS, dtype=np.uint64)
_PIECE_FACTORS: Hashes = _random.integers(0, 2**63, PIECE_CHARS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


@dataclass(frozen=True, slots=True)
class Print:
    """What is remembered of a row to find others like it."""

    signature: Signature
    """`PERMUTATIONS` numbers."""
    prompt: str
    """Hash of everything before the last answer; empty for a plain text."""
    facts: str
    """Hash of the numbers and capitalised words: a near duplicate that differs here may be another fact."""


def print_of(row: Row) -> Print:
    """The fingerprint of a row; system messages, which many rows share, do not count."""
    if isinstance(row, TextRow):
        return Print(signature(row.text), "", content_id(_facts(row.text)))
    texts = [message.content for message in row.messages if message.role != "system"]
    whole = "\n".join(texts)
    return Print(signature(whole), content_id([plain(text) for text in texts[:-1]]), content_id(_facts(whole)))


def plain(text: str) -> str:
    """The text's letters and digits in lower case, everything between them one space."""
    return _NOISE.sub(" ", normalised(text, "NFKC").casefold()).strip()


def pieces(text: str) -> Hashes:
    """Hashes of all pieces of `PIECE_CHARS` characters of the plain text, in order; at least one."""
    encoded = plain(text).ljust(PIECE_CHARS).encode("utf-32-le", "replace")
    characters = np.frombuffer(encoded, dtype=np.uint32).astype(np.uint64)
    count = len(characters) - PIECE_CHARS + 1
    mixed = np.zeros(count, dtype=np.uint64)
    for place, factor in enumerate(_PIECE_FACTORS):
        mixed += characters[place : place + count] * factor
    mixed ^= mixed >> np.uint64(29)
    return mixed


def signature(text: str) -> Signature:
    """The smallest hash of the text's pieces under each permutation, shape (`PERMUTATIONS`,)."""
    hashes = pieces(text)
    smallest = np.full(PERMUTATIONS, 2**32 - 1, dtype=np.uint32)
    for at in range(0, len(hashes), BLOCK_PIECES):
        block = hashes[at : at + BLOCK_PIECES, None] * _FACTORS + _OFFSETS
        np.minimum(smallest, (block >> np.uint64(32)).min(axis=0).astype(np.uint32), out=smallest)
    return smallest


def _facts(text: str) -> list[str]:
    words = [word for word in text.split() if word != word.lower() or _DIGIT.search(word)]
    return sorted({word.strip("\"'.,;:!?()[]“”‘’«»") for word in words})


class Groups:
    """Which rows belong together: union-find whose representative is the earliest row."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def first(self, row: int) -> int:
        """The earliest row of the row's group."""
        while self._parents[row] != row:
            self._parents[row] = self._parents[self._parents[row]]
            row = self._parents[row]
        return row

    def join(self, one: int, other: int) -> None:
        """Make two groups one."""
        first, second = sorted((self.first(one), self.first(other)))
        self._parents[second] = first

    def join_all(self, pairs: Rows) -> None:
        """Join the groups of each pair; shape (pairs, 2)."""
        firsts = np.array([self.first(row) for row in range(len(self._parents))])
        for one, other in pairs[firsts[pairs[:, 0]] != firsts[pairs[:, 1]]].tolist():
            self.join(one, other)


@dataclass(frozen=True, slots=True)
class Likeness:
    """Which rows are alike."""

    groups: Groups
    """Rows of one group must not be in different splits."""
    repeats: dict[int, int]
    """Rows that are near duplicates of an earlier row that is none, with that row."""


def likeness(prints: list[Print], similarity: float) -> Likeness:
    """Group rows whose similarity is at least `similarity`, or whose questions are the same.

    A row repeats an earlier one when their estimated similarity reaches `similarity` and their numbers and
    capitalised words are the same.
    """
    count = len(prints)
    groups = Groups(count)
    _join_same_prompts(prints, groups)
    if count < 2:
        return Likeness(groups, {})
    signatures = np.stack([each.signature for each in prints])
    facts = np.unique([each.facts for each in prints], return_inverse=True)[1]
    alike = np.empty(0, dtype=np.int64)  # later row times count plus earlier row
    for pairs in _candidates(signatures, groups):
        estimates = (signatures[pairs[:, 0]] == signatures[pairs[:, 1]]).mean(axis=1)
        groups.join_all(pairs[estimates >= similarity - MARGIN])
        same = pairs[(estimates >= similarity) & (facts[pairs[:, 0]] == facts[pairs[:, 1]])]
        alike = np.union1d(alike, same[:, 1] * count + same[:, 0])
    return Likeness(groups, _repeats(alike.tolist(), count))


def _repeats(alike: list[int], count: int) -> dict[int, int]:
    """Rows that repeat an earlier one that is itself kept, in order."""
    repeats: dict[int, int] = {}
    for pair in alike:
        later, earlier = divmod(pair, count)
        if earlier not in repeats and later not in repeats:
            repeats[later] = earlier
    return repeats


def _join_same_prompts(prints: list[Print], groups: Groups) -> None:
    first: dict[str, int] = {}
    for row, each in enumerate(prints):
        if each.prompt:
            groups.join(first.setdefault(each.prompt, row), row)


def _candidates(signatures: npt.NDArray[np.uint32], groups: Groups) -> Iterator[Rows]:
    """Pairs that share a band, as arrays of shape (pairs, 2), the earlier row first."""
    bands = signatures.reshape(len(signatures), -1, BAND_ROWS).astype(np.uint64)
    keys: Hashes = (bands * _FACTORS[:BAND_ROWS]).sum(axis=2, dtype=np.uint64)
    for band in range(keys.shape[1]):
        waiting: list[Rows] = []
        for pairs in _pairs(keys, np.arange(len(keys)), (band, 1), groups):
            waiting.append(pairs)
            if sum(map(len, waiting)) >= COMPARED_AT_ONCE:
                yield np.concatenate(waiting)
                waiting = []
        if waiting:
            yield np.concatenate(waiting)


def _pairs(keys: Hashes, rows: Rows, place: tuple[int, int], groups: Groups) -> Iterator[Rows]:
    """Pairs among `rows` that share a band; `place` is the band and how many bands the rows share with it."""
    band, shared = place
    ordered = rows[np.argsort(keys[rows, band], kind="stable")]
    column = keys[ordered, band]
    edges = np.concatenate(([0], np.flatnonzero(column[1:] != column[:-1]) + 1, [len(column)]))
    for at in np.flatnonzero(np.diff(edges) > 1):
        bucket = ordered[edges[at] : edges[at + 1]]
        if len(bucket) <= LARGEST_BUCKET:
            yield bucket[_combinations(len(bucket))]
        elif shared < MOST_BANDS:
            yield from _pairs(keys, bucket, ((band + 1) % keys.shape[1], shared + 1), groups)
        else:
            groups.join_all(np.column_stack((bucket[:-1], bucket[1:])))
            yield np.column_stack((np.broadcast_to(bucket[:1], len(bucket) - 1), bucket[1:]))


@cache
def _combinations(count: int) -> Rows:
    """Every pair of indices below `count`, shape (pairs, 2), the smaller first."""
    return np.column_stack(np.triu_indices(count, 1))
