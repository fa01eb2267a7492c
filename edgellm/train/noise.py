"""Noise on what a model reads while it learns: it then learns less how the rows are worded, and more what they ask.

NEFTune (Jain et al. 2023, arXiv:2310.05914): each number of a token's embedding is moved by up to
strength / sqrt(tokens of the row x width), evenly spread.
"""

from __future__ import annotations

import math

import mlx.core as mx

from edgellm.train.ragged import Layout


def noise_for(layout: Layout, rows: int, width: int, strength: float) -> mx.array:
    """Noise for the embeddings of a ragged batch, (tokens, width).

    None on the beginning that all rows share, which is computed once for all of them, and none behind the first `rows`
    rows: there are the anchors, on which the base is what it was.
    """
    moved = [strength / math.sqrt(own * width) for own in layout.own[:rows] for _ in range(own)]
    still = layout.tokens - layout.shared - len(moved)
    most = mx.array([0.0] * layout.shared + moved + [0.0] * still)
    return mx.random.uniform(-1, 1, (layout.tokens, width)) * most[:, None]
