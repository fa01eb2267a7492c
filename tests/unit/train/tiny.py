"""A decoder of a few thousand random weights, and rows for it."""

from __future__ import annotations

import random

import mlx.core as mx

from edgellm.train.architecture import Architecture, Rope
from edgellm.train.decoder import Decoder
from edgellm.train.rows import Pair, Row

SHAPE = Architecture(
    family="llama",
    layers=3,
    width=32,
    hidden=48,
    heads=4,
    kv_heads=2,
    head_width=8,
    value_width=8,
    norm_epsilon=1e-5,
    vocabulary=40,
    rope=Rope(dimensions=8, base=10_000.0, is_interleaved=True),
    attention_scale=8**-0.5,
)


def tiny_decoder(seed: int = 3) -> Decoder:
    """The same weights for the same seed."""
    mx.random.seed(seed)
    model = Decoder(SHAPE)
    model.update({"token_embd": {"weight": mx.random.normal((SHAPE.vocabulary, SHAPE.width))}})
    mx.eval(model.parameters())
    model.freeze()
    return model


def rows(count: int, seed: int = 0, shared: int = 4, longest: int = 20) -> list[Row]:
    """Rows that begin alike and end in an answer."""
    chance = random.Random(seed)
    beginning = [chance.randrange(SHAPE.vocabulary) for _ in range(shared)]
    made = []
    for _ in range(count):
        own = [chance.randrange(SHAPE.vocabulary) for _ in range(chance.randint(4, longest))]
        start = shared + chance.randint(1, len(own) - 1)
        made.append(Row((*beginning, *own), ((start, shared + len(own)),)))
    return made


def pairs(count: int, seed: int = 0, longest: int = 12) -> list[Pair]:
    """Prompts of their own, each with two answers; every third answer is judged bad."""
    chance = random.Random(seed)

    def some(most: int) -> tuple[int, ...]:
        return tuple(chance.randrange(SHAPE.vocabulary) for _ in range(chance.randint(2, most)))

    made = []
    for number in range(count):
        prompt = some(8)
        answer, other = (
            Row((*prompt, *said), ((len(prompt), len(prompt) + len(said)),)) for said in (some(longest), some(longest))
        )
        made.append(Pair(answer, other, number % 3 > 0))
    return made
