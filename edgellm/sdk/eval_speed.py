"""The speed of two subjects, measured through the engine or over HTTP for the gate."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from edgellm.evals.speed import FEWEST_TOKENS, MOST_TOKENS, Rate, Speeds, measure
from edgellm.sdk.addressing import is_address, target_of
from edgellm.sdk.eval_request import Named
from edgellm.settings import REMOTE_KEY
from edgellm.types import Reply, Sampling

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM

GREEDY = Sampling(temperature=0.0, max_tokens=MOST_TOKENS)


def measure_speeds(edge: EdgeLLM, ours: Named, theirs: Named, on_round: Callable[[int, int], None]) -> Speeds | None:
    """Both in turn, without their collections; None when one writes too little. Raises: ModelError, EngineError."""
    with ExitStack() as opened:
        rates = [opened.enter_context(_rate(edge, named)) for named in (ours, theirs)]
        return measure(rates[0], rates[1], on_round)


@contextmanager
def _rate(edge: EdgeLLM, named: Named) -> Iterator[Rate]:
    if not is_address(named.target):
        model = target_of(named.target).model
        yield lambda text: _speed(edge.complete(text, model=model, sampling=GREEDY))
        return
    from edgellm.sdk.remote import RemoteEdgeLLM  # an HTTP client that other subjects do not need

    url, _, served = named.target.partition("#")
    with RemoteEdgeLLM(url, os.environ.get(REMOTE_KEY), model=served or None) as remote:
        yield lambda text: _speed(remote.complete(text, sampling=GREEDY))


def _speed(reply: Reply) -> float | None:
    is_long = reply.usage.completion_tokens >= FEWEST_TOKENS
    return reply.timings.decode_tokens_per_s if is_long else None
