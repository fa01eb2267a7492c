"""Numbers of a run in words, for every form of a report."""

from __future__ import annotations

from edgellm.evals.elo import Rating
from edgellm.evals.outcome import Compared, Outcome, Tally
from edgellm.evals.preference import Agreement, Note, Preferred
from edgellm.evals.speed import Speeds
from edgellm.evals.statistics import Interval

UNITS = {
    "perplexity": "{:.2f}",
    "calibration_error": "{:.3f}",
    "brier": "{:.3f}",
    "chance": "{:.0%}",
    "unsupported": "{:.0%}",
    "unsupported_answers": "{:.0%}",
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
    "unsupported_answers": "answers with such a claim",
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
    return spanned(tally.score)


def spanned(found: Interval | None) -> str:
    """`64.0 % (51.2 to 75.3)`; a dash where there is nothing."""
    if found is None:
        return "–"
    return f"{share(found.mean)} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def difference(compared: Compared) -> str:
    """`+12.0 points (+3.1 to +20.9), p = 0.012`."""
    found = compared.difference
    span = f"({100 * found.low:+.1f} to {100 * found.high:+.1f})"
    return f"{100 * found.difference:+.1f} points {span}, p {probability(compared.p_corrected)}"


def speeds(found: Speeds) -> str:
    """`41.2 against 44.0 tok/s: 0.936`."""
    ours, theirs = found.medians
    return f"{ours:.1f} against {theirs:.1f} tok/s: {found.ratio:.3f}"


def probability(p: float) -> str:
    """A p-value with three digits, after its sign."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def measure(name: str, value: float) -> str:
    """A measure with its unit."""
    return UNITS.get(name, "{:.3f}").format(value)


def measured(found: Outcome, name: str) -> str:
    """`25 % (11 to 47)` of what is a share, `12.41` of anything else; a dash where it was not measured."""
    value, span = found.measures.get(name), found.spans.get(name)
    if value is None:
        return "–"
    bounds = "" if span is None else f" ({100 * span.low:.0f} to {100 * span.high:.0f})"
    return measure(name, value) + bounds


def label(name: str) -> str:
    """A measure's name as people read it."""
    return LABELS.get(name, name.replace("_", " "))


def win_rate(found: Preferred) -> str:
    """`62.5 % (45.1 to 77.0), p = 0.210`."""
    test = "" if found.p is None else f", p {probability(found.p)}"
    return f"{spanned(found.win_rate)}{test}"


def vote_counts(found: Preferred) -> str:
    """How the votes went, and how many pairs there are."""
    parts = [
        f"{found.won} won",
        f"{found.lost} lost",
        f"{found.tied} tied",
        f"{found.both_bad} both bad",
        *([f"{found.same} equal answers"] if found.same else []),
    ]
    return f"{', '.join(parts)}; {found.judged} of {found.pairs} pairs judged"


def elo(rating: Rating) -> str:
    """`1085 (1012 to 1170)`; without an interval for the anchor, to which all others are relative."""
    found = rating.elo
    return f"{found.mean:.0f}" + (f" ({found.low:.0f} to {found.high:.0f})" if found.high > found.low else "")


def agreement(found: Agreement) -> str:
    """`80.0 % (60.2 to 91.5) of 20 pairs, kappa 0.66`."""
    kappa = "" if found.kappa is None else f", kappa {found.kappa:.2f}"
    return f"{spanned(found.share)} of {found.pairs} pairs{kappa}"


def note_head(note: Note) -> str:
    """What a note is about, and how its writer voted."""
    said = f"preferred {note.preferred}" if note.preferred else note.choice
    return f"{note.judge} on {note.suite} {note.case_id}, {note.rubric} ({said})"
