"""Perplexity on a text: a measure beside scores."""

from __future__ import annotations

from edgellm.evals.asking import weigh_text
from edgellm.evals.scorers.kind import Kind
from edgellm.evals.values import Case, Said, Score, Tools


def perplexity(_case: Case, said: Said, _tools: Tools) -> Score:
    """No value; nats and tokens, from which the suite's `perplexity` is computed."""
    found = said.likelihoods[0]
    measures = {"nats": found.nats, "tokens": float(found.tokens)}
    return Score(value=None, reason=f"{found.nats / max(1, found.tokens):.3f} nats a token", measures=measures)


def _problem(case: Case) -> str:
    return "a text is weighed, not sampled: leave `samples` out" if case.samples > 1 else ""


KINDS = {
    "perplexity": Kind(
        score=perplexity, asks=weigh_text, has_expected=False, needs=frozenset({"weigh"}), problem=_problem
    )
}
