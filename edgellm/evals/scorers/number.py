"""Numbers with a tolerance and units."""

from __future__ import annotations

from typing import Any

from edgellm.evals.numbers import in_unit, is_near, quantities
from edgellm.evals.scorers.kind import Field, Kind, binary, is_number, is_text
from edgellm.evals.values import Case, Said, Score, Tools

PICKS = ("any", "first", "last")


def number(case: Case, said: Said, _tools: Tools) -> Score:
    """1 when a number of the answer is near an expected one, in its unit when the case names one.

    `pick` says which number counts: any (the default; an answer may name years beside), the first or the last.
    """
    options, unit = case.options, case.options.get("unit", "")
    found = list(quantities(said.text))
    values = [each.value if not unit else in_unit(each, unit) for each in found]
    values = [value for value in values if value is not None]
    picked = {"any": values, "first": values[:1], "last": values[-1:]}[options.get("pick", "any")]
    tolerance, relative = options.get("tolerance", 0.0), options.get("relative", 0.0)
    wanted = " or ".join(f"{each} {unit}".strip() for each in case.expected)
    for value in picked:
        if value is not None and any(is_near(value, float(each), tolerance, relative) for each in case.expected):
            return binary(True, f"it says {value:g} {unit}".strip())
    said_numbers = ", ".join(f"{each.value:g} {each.unit}".strip() for each in found[:5]) or "no number"
    return binary(False, f"it says {said_numbers}, not {wanted}")


def _problem(case: Case) -> str:
    wrong = next((each for each in case.expected if not _is_numeral(each)), None)
    return "" if wrong is None else f"`expected` is {wrong!r}, which is no number"


def _is_numeral(text: str) -> bool:
    try:
        return is_number(abs(float(text)))
    except ValueError:
        return False


def _is_pick(value: Any) -> bool:
    return value in PICKS


KINDS = {
    "number": Kind(
        score=number,
        fields={
            "tolerance": Field(is_number),
            "relative": Field(is_number),
            "unit": Field(is_text),
            "pick": Field(_is_pick),
        },
        problem=_problem,
    )
}
