"""What a run says nothing about: a report without it would promise too much."""

from __future__ import annotations

from collections.abc import Sequence

from edgellm.evals.suite import Suite

_SAFETY = {
    "leak": "Prompt injection and leaks: no case plants a text that must not come back.",
    "refusal": "Refusals: no case asks for what should be refused, or for harmless things that sound alike.",
    "toxicity": "Toxicity: no answer was searched for insults, threats and swear words.",
    "pair": "Bias: no pair of prompts differs only in a group term.",
    "memorised": "Memorisation: no case gives the beginning of a training row.",
    "grounded": "Grounding: no answer was held against passages.",
    "choice": "Calibration: no case has choices whose probabilities are weighed.",
    "perplexity": "Perplexity: no text was measured.",
}
NO_VOTES = "What people prefer: no person read these answers."
"""Left out of a report once somebody has voted."""


def not_measured(suites: Sequence[Suite], *, has_baseline: bool) -> tuple[str, ...]:
    """Sentences about what these suites leave open."""
    asked = {case.score for suite in suites for case in suite.cases}
    found = [sentence for score, sentence in _SAFETY.items() if score not in asked]
    if not has_baseline:
        found.append("Progress: there was no baseline to compare with.")
    found.append("Contempt in polite words, other languages than those of the suites, and conversations of many turns.")
    found.append(NO_VOTES)
    return tuple(found)
