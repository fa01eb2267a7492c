"""Texts that ask much the same, put together: by vectors, or by the pieces of their words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from edgellm.data.duplicates import Hashes, pieces

Vectors = npt.NDArray[np.float32]
ALIKE_VECTORS = 0.6
"""Cosine from which two questions ask much the same, for all-MiniLM-L6-v2: other wordings of eleven questions about
accounts, refunds and rivers lie between 0.67 and 0.93, questions about something else below 0.48."""
ALIKE_WORDS = 0.5
"""Share of pieces of five characters that two questions have in common, of all that they have (Jaccard)."""


def by_vectors(vectors: npt.ArrayLike, least: float = ALIKE_VECTORS) -> list[list[int]]:
    """Groups of indices by cosine; `vectors` are rows of unit length. Each is in one group, the earliest first."""
    rows: Vectors = np.asarray(vectors, dtype=np.float32)
    cosines = rows @ rows.T
    return _grouped(len(rows), lambda one, other: bool(cosines[one, other] >= least))


def by_words(texts: Sequence[str], least: float = ALIKE_WORDS) -> list[list[int]]:
    """Groups of indices by the pieces that texts have in common. Each index is in one group, the earliest first."""
    sets: list[Hashes] = [np.unique(pieces(text)) for text in texts]
    return _grouped(len(texts), lambda one, other: _jaccard(sets[one], sets[other]) >= least)


def _grouped(count: int, are_alike: Callable[[int, int], bool]) -> list[list[int]]:
    """Each index joins the first group whose first member it is like: no chains from one question to a far one."""
    groups: list[list[int]] = []
    for index in range(count):
        group = next((group for group in groups if are_alike(group[0], index)), None)
        if group is None:
            groups.append([index])
        else:
            group.append(index)
    return groups


def _jaccard(one: Hashes, other: Hashes) -> float:
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)
