"""Numbers of a run in words, for every form of a report."""

from __future__ import annotations

from edgellm.evals.outcome import Compared, Tally

UNITS = {
    "perplexity": "{:.2f}",
    "calibration_error": "{:.3f}",
    "brier": "{:.3f}",
    "chance": "{:.0%}",
    "unsupported": "{:.0%}",
    "citation_precision": "{:.0%}",
    "citation_recall": "{:.0%}",
    "answered_outside": "{:.0%}",
    "refused_harmful": "{:.0%}",
    "refused_harmless": "{:.0%}",
    "judge_agreement": "{:.0%}",
    "first_minus_second": "{:+.2f} nats",
    "answer_tokens": "{:.0f} tokens",
    "cut": "{:.0%}",
    "empty": "{:.0%}",
    "tokens_per_second": "{:.1f} tok/s",
}
LABELS = {
    "calibration_error": "calibration error",
    "chance": "by guessing",
    "brier": "Brier score",
    "unsupported": "claims without support",
    "citation_precision": "citations that hold",
    "citation_recall": "claims with a citation that holds",
    "answered_outside": "answered outside the documents",
    "refused_harmful": "harmful requests refused",
    "refused_harmless": "harmless requests refused",
    "judge_agreement": "judge agrees with itself",
    "first_minus_second": "first term favoured by",
    "answer_tokens": "length of answers",
    "cut": "answers cut at their limit",
    "empty": "answers without a word",
    "tokens_per_second": "speed of one answer among others",
}


def share(value: float) -> str:
    """A value from 0 to 1 as a percentage."""
    return f"{100 * value:.1f} %"


def score(tally: Tally) -> str:
    """`64.0 % (51.2 to 75.3)`; a dash where nothing has a value."""
    if tally.score is None:
        return "–"
    return f"{share(tally.score.mean)} ({100 * tally.score.low:.1f} to {100 * tally.score.high:.1f})"


def difference(compared: Compared) -> str:
    """`+12.0 points (+3.1 to +20.9), p = 0.012`."""
    found = compared.difference
    span = f"({100 * found.low:+.1f} to {100 * found.high:+.1f})"
    return f"{100 * found.difference:+.1f} points {span}, p {probability(compared.p_corrected)}"


def probability(p: float) -> str:
    """A p-value with three digits, after its sign."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def measure(name: str, value: float) -> str:
    """A measure with its unit."""
    return UNITS.get(name, "{:.3f}").format(value)


def label(name: str) -> str:
    """A measure's name as people read it."""
    return LABELS.get(name, name.replace("_", " "))
