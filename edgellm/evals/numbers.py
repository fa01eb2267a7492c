"""Numbers in answers, with their units; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

FACTORS: dict[str, dict[str, float]] = {
    "length": {
        "mm": 0.001, "cm": 0.01, "m": 1, "km": 1000, "inch": 0.0254, "foot": 0.3048, "yard": 0.9144, "mile": 1609.344,
    },
    "mass": {"mg": 1e-6, "g": 0.001, "kg": 1, "t": 1000, "ounce": 0.028349523125, "pound": 0.45359237},
    "time": {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "day": 86_400, "week": 604_800},
    "volume": {"ml": 0.001, "cl": 0.01, "l": 1},
    "bytes": {"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 2**10, "mib": 2**20, "gib": 2**30},
    "share": {"%": 0.01},
}  # fmt: skip
"""Units that are converted into each other, by what they measure."""
NAMES = {
    "millimetre": "mm", "centimetre": "cm", "metre": "m", "kilometre": "km", "millimeter": "mm", "centimeter": "cm",
    "meter": "m", "kilometer": "km", "in": "inch", "inche": "inch", "ft": "foot", "feet": "foot", "yd": "yard",
    "mi": "mile", "gram": "g", "kilogram": "kg", "kilo": "kg", "tonne": "t", "ton": "t", "oz": "ounce", "lb": "pound",
    "second": "s", "sec": "s", "minute": "min", "hour": "h", "hr": "h", "millisecond": "ms", "d": "day",
    "millilitre": "ml", "litre": "l", "liter": "l", "milliliter": "ml", "byte": "b", "percent": "%",
}  # fmt: skip
"""Other words for a unit, in the singular."""
_NUMBER = re.compile(
    r"(?<![\w.,])(?P<sign>[-+\u2212])?(?P<digits>\d+(?:[.,\u202f\u00a0']\d+)*)(?P<power>[eE][-+]?\d{1,3})?"
    r"(?:\s?(?P<unit>%|[^\W\d_]+))?"
)
_GROUPED = re.compile(r"\d{1,3}(?:([.,\u202f\u00a0'])\d{3})(?:\1\d{3})*")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number that a text holds."""

    value: float
    unit: str
    """The word behind it as the text has it, a unit or not; empty without one."""


def quantities(text: str) -> Iterator[Quantity]:
    """Every number in a text, in order: `1,874` and `1.874.000` have groups of three digits, `1,5` is 1.5."""
    for found in _NUMBER.finditer(text):
        sign = -1 if found["sign"] in ("-", "\u2212") else 1
        yield Quantity(sign * _value(found["digits"], found["power"] or ""), found["unit"] or "")


def in_unit(found: Quantity, unit: str) -> float | None:
    """The number in another unit; None when its own is none that can be converted, nor the same word."""
    ours, theirs = _plain(found.unit), _plain(unit)
    if ours == theirs:
        return found.value
    for factors in FACTORS.values():
        if ours in factors and theirs in factors:
            return found.value * factors[ours] / factors[theirs]
    return None


def is_near(value: float, expected: float, tolerance: float, relative: float) -> bool:
    """Whether they differ by at most `tolerance`, or by at most the share `relative` of what is expected."""
    allowed = max(tolerance, relative * abs(expected))
    return math.isfinite(value) and abs(value - expected) <= allowed + 1e-9 * max(1.0, abs(expected))


def _value(digits: str, power: str) -> float:
    """What the digits say; no number (nan) for what is none, such as 1.2.3."""
    try:
        return float(_plain_digits(digits) + power)
    except ValueError:
        return math.nan


def _plain_digits(digits: str) -> str:
    """With a point before the decimals and nothing between groups of three."""
    if "," in digits and "." in digits:
        decimal = max(digits.rfind(","), digits.rfind("."))
        return re.sub(r"\D", "", digits[:decimal]) + "." + digits[decimal + 1 :]
    grouped = _GROUPED.fullmatch(digits)
    if grouped is not None and not (grouped[1] == "." and digits.count(".") == 1):
        return re.sub(r"\D", "", digits)
    return re.sub(r"[\u202f\u00a0']", "", digits.replace(",", "."))


def _plain(unit: str) -> str:
    """The unit in small letters and singular; megabytes and millibytes are not told apart."""
    small = unit.lower()
    single = small.removesuffix("s") if len(small) > 2 else small
    return NAMES.get(small) or NAMES.get(single) or single
