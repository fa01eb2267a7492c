"""Noise on questions while a model learns to answer them: it learns less how they are worded, and more what they ask.

After NEFTune (Jain et al. 2023, arXiv:2310.05914): each number of a token's embedding is moved by up to
strength / sqrt(tokens of the row x width), evenly spread. Unlike there, answers are read as they are: with noise on
them too, general answers became shorter by a tenth to a third.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import mlx.core as mx

from edgellm.train.ragged import Layout


def noise_for(layout: Layout, asked: Sequence[int], width: int, strength: float) -> mx.array:
    """Noise for the embeddings of a ragged batch, (tokens, width).

    `asked` are the tokens of the first rows, in their order, that come before the answer: the beginning that all rows
    share is counted with them, but has no noise, as it is computed once for all. Rows behind these, the anchors, have
    none either: on them the base is what it was.
    """
    most = [0.0] * layout.shared
    for own, before in zip(layout.own, asked, strict=False):
        question = max(0, before - layout.shared)
        most += [strength / math.sqrt(own * width)] * question + [0.0] * (own - question)
    most += [0.0] * (layout.tokens - len(most))
    return mx.random.uniform(-1, 1, (layout.tokens, width)) * mx.array(most)[:, None]
