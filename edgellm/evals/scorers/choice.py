"""Multiple choice by log-likelihood: which choice the model finds most probable as its answer.

Each choice is weighed as the whole answer to the case's messages: the sum of the log-probabilities of its tokens,
without the token that ends the turn. Longer choices have lower sums, so the sum is divided by the choice's length in
UTF-8 bytes before choices are compared (`acc_norm` of the language model evaluation harness); with
`by = "sum"` it is not. Bytes and not tokens, so that models with other tokenizers are compared alike.

Probabilities for calibration are the sums as shares of each other (softmax), not normalised by length.
"""

from __future__ import annotations

from typing import Any

from edgellm.evals.asking import weigh_choices
from edgellm.evals.calibration import brier, probabilities
from edgellm.evals.scorers.kind import Field, Kind, is_texts, quoted
from edgellm.evals.values import Case, Said, Score, Tools


def choice(case: Case, said: Said, _tools: Tools) -> Score:
    """1 when the most probable choice is the expected one."""
    choices: list[str] = case.options["choices"]
    sums = [each.nats for each in said.likelihoods]
    lengths = [1 if case.options.get("by") == "sum" else len(each.encode()) for each in choices]
    weights = [total / length for total, length in zip(sums, lengths, strict=True)]
    picked, right = weights.index(max(weights)), choices.index(case.expected[0])
    shares = probabilities(sums)
    return Score(
        value=float(picked == right),
        reason=f"it finds {quoted(choices[picked])} most probable ({shares[picked]:.0%})",
        measures={"confidence": shares[picked], "brier": brier(shares, right), "chance": 1 / len(choices)},
    )


def _problem(case: Case) -> str:
    choices = case.options["choices"]
    if len(choices) < 2 or len(set(choices)) < len(choices):
        return "`choices` must be two different texts or more"
    if len(case.expected) != 1 or case.expected[0] not in choices:
        return "`expected` must be one of the choices"
    return "a choice is weighed, not sampled: leave `samples` out" if case.samples > 1 else ""


def _is_way(value: Any) -> bool:
    return value in ("bytes", "sum")


KINDS = {
    "choice": Kind(
        score=choice,
        asks=weigh_choices,
        fields={"choices": Field(is_texts, is_required=True), "by": Field(_is_way)},
        needs=frozenset({"weigh"}),
        problem=_problem,
    )
}
