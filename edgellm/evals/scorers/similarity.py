"""Likeness of meaning, by an embedder."""

from __future__ import annotations

from edgellm.evals.scorers.kind import Field, Kind, is_number, quoted
from edgellm.evals.values import Case, Said, Score, Tools


def similarity(case: Case, said: Said, tools: Tools) -> Score:
    """The highest cosine of the answer with an expected text, 0 to 1; with `at_least`, 1 from that cosine on, else 0.

    A cosine says what texts are about, not whether they agree: "it is open" and "it is closed" are near.
    """
    assert tools.embed is not None  # the runner refuses suites whose needs are not met
    if not said.text.strip():
        return Score(value=0.0, reason="the answer is empty")
    ours, *theirs = tools.embed([said.text, *case.expected])
    cosines = [sum(a * b for a, b in zip(ours, each, strict=True)) for each in theirs]
    best = max(cosines)
    reason = f"cosine {best:.2f} with {quoted(case.expected[cosines.index(best)])}"
    least = case.options.get("at_least")
    value = min(1.0, max(0.0, best)) if least is None else float(best >= least)
    return Score(value=value, reason=reason, measures={"cosine": best})


KINDS = {
    "similarity": Kind(score=similarity, fields={"at_least": Field(is_number)}, needs=frozenset({"embed"})),
}
