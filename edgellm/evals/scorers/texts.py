"""Answers compared with expected texts: exact, normalised, contains, regex, f1."""

from __future__ import annotations

from edgellm.evals.matching import TooSlow, is_found, pattern_problem
from edgellm.evals.scorers.kind import Field, Kind, binary, is_flag, quoted
from edgellm.evals.values import Case, Said, Score, Tools
from edgellm.evals.words import normalised, token_f1


def exact(case: Case, said: Said, _tools: Tools) -> Score:
    """1 when the answer, without blanks around it, is one of the expected texts to the letter."""
    is_right = said.text.strip() in [each.strip() for each in case.expected]
    return binary(is_right, f"{quoted(said.text)} {'is' if is_right else 'is not'} what was expected")


def same(case: Case, said: Said, _tools: Tools) -> Score:
    """1 when the normalised answer is one of the normalised expected texts."""
    is_right = normalised(said.text) in [normalised(each) for each in case.expected]
    return binary(is_right, f"{quoted(said.text)} {'is' if is_right else 'is not'} what was expected")


def contains(case: Case, said: Said, _tools: Tools) -> Score:
    """1 when the normalised answer has one of the expected texts in it as whole words; with `all`, every one."""
    held = f" {normalised(said.text)} "
    missing = [each for each in case.expected if f" {normalised(each)} " not in held]
    is_right = not missing if case.options.get("all") else len(missing) < len(case.expected)
    found = [each for each in case.expected if each not in missing]
    return binary(is_right, f"it says {quoted(found[0])}" if is_right else f"it does not say {quoted(missing[0])}")


def regex(case: Case, said: Said, _tools: Tools) -> Score:
    """1 when one of the expected patterns is found in the answer."""
    reasons = []
    for pattern in case.expected:
        try:
            if is_found(pattern, said.text):
                return binary(True, f"it matches {quoted(pattern)}")
            reasons.append(f"it does not match {quoted(pattern)}")
        except TooSlow:
            reasons.append(f"{quoted(pattern)} took too long and counts as not matching")
    return binary(False, "; ".join(reasons))


def f1(case: Case, said: Said, _tools: Tools) -> Score:
    """The best token F1 with one of the expected texts, as SQuAD counts it."""
    best = max(case.expected, key=lambda each: token_f1(said.text, each))
    value = token_f1(said.text, best)
    return Score(value=value, reason=f"{value:.2f} of the words of {quoted(best)}")


def _patterns(case: Case) -> str:
    problems = ((pattern, pattern_problem(pattern)) for pattern in case.expected)
    return next((f"`expected` has {pattern!r}, which is no pattern: {why}" for pattern, why in problems if why), "")


def _has_words(case: Case) -> str:
    empty = next((each for each in case.expected if not normalised(each)), None)
    return "" if empty is None else f"`expected` holds {empty!r}, in which no word is left when it is normalised"


KINDS = {
    "exact": Kind(score=exact),
    "normalised": Kind(score=same, problem=_has_words),
    "contains": Kind(score=contains, fields={"all": Field(is_flag)}, problem=_has_words),
    "regex": Kind(score=regex, problem=_patterns),
    "f1": Kind(score=f1, problem=_has_words),
}
