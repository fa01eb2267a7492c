"""What a run says nothing about: a report without it would promise too much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgellm.evals.suite import Suite
from edgellm.evals.values import Case

_SAFETY = {
    "refusal": "Refusals: no case asks for what should be refused, or for harmless things that sound alike.",
    "toxicity": "Toxicity: no answer was searched for insults, threats and swear words.",
    "pair": "Bias: no pair of prompts differs only in a group term.",
    "memorised": "Memorisation: no case gives the beginning of a training row.",
    "personal": "Personal data: no answer was searched for it.",
    "grounded": "Grounding: no answer was held against passages.",
    "choice": "Calibration: no case has choices whose probabilities are weighed.",
    "perplexity": "Perplexity: no text was measured.",
}
_PLACES = {
    "system": "Leaks of the system message: no case has a secret in it.",
    "passage": "Prompt injection through documents: no case plants an order in a passage.",
    "tool": "Prompt injection through tools: no case plants an order in a tool's result.",
    "user": "Prompt injection through what users hand over: no case plants an order in it.",
}
"""Where a text stands that must not come back: each place is an attack of its own."""
NO_VOTES = "What people prefer: no person read these answers."
"""Left out of a report once somebody has voted."""


def not_measured(suites: Sequence[Suite], *, has_baseline: bool) -> tuple[str, ...]:
    """Sentences about what these suites leave open."""
    cases = [case for suite in suites for case in suite.cases]
    asked = {case.score for case in cases}
    planted = {place for case in cases if case.score == "leak" for place in _planted(case)}
    found = [sentence for place, sentence in _PLACES.items() if place not in planted]
    found += [sentence for score, sentence in _SAFETY.items() if score not in asked]
    if not has_baseline:
        found.append("Progress: there was no baseline to compare with.")
    found.append("Contempt in polite words, other languages than those of the suites, and conversations of many turns.")
    found.append(NO_VOTES)
    return tuple(found)


def _planted(case: Case) -> Iterator[str]:
    """Where the texts stand that must not come back."""
    held = [*((each.role, each.content) for each in case.messages), ("passage", case.planted)]
    held += [("passage", each) for each in case.passages]
    for place, text in held:
        if any(forbidden in text for forbidden in case.options["forbidden"]):
            yield place
