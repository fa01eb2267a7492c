"""Numbers and units as answers write them."""

from __future__ import annotations

import math

import pytest

from edgellm.evals.numbers import in_unit, is_near, quantities


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("It has 217 steps.", [(217, "steps")]),
        ("built in 1874, two years", [(1874, "")]),
        ("1,874 people", [(1874, "people")]),
        ("1,874.5 kg", [(1874.5, "kg")]),
        ("1.874.000 Euro", [(1_874_000, "Euro")]),
        ("3,5 km", [(3.5, "km")]),
        ("-4 °C", [(-4, "")]),
        ("10-5", [(10, ""), (5, "")]),
        ("12 %", [(12, "%")]),
        ("6e3 m", [(6000, "m")]),
        ("5kg", [(5, "kg")]),
        ("1\u202f000\u202f000 s", [(1_000_000, "s")]),
        ("3.14", [(3.14, "")]),
        ("none", []),
        ("v2", []),
    ],
)
def test_quantities(text: str, wanted: list[tuple[float, str]]) -> None:
    assert [(each.value, each.unit) for each in quantities(text)] == wanted


def test_what_is_no_number_is_never_near() -> None:
    (found,) = quantities("version 1.2.3")
    assert math.isnan(found.value)
    assert not is_near(found.value, 1.2, 10, 10)
    (huge,) = quantities("9e999")
    assert not is_near(huge.value, 1.0, 1e300, 0)


@pytest.mark.parametrize(
    ("text", "unit", "wanted"),
    [
        ("2 kilometres", "m", 2000),
        ("90 minutes", "h", 1.5),
        ("500 g", "kg", 0.5),
        ("1 mile", "km", 1.609344),
        ("3 feet", "m", 0.9144),
        ("2 GiB", "MiB", 2048),
        ("6 crowns", "crown", 6),
        ("6 crowns", "m", None),
        ("6", "m", None),
    ],
)
def test_units_are_converted(text: str, unit: str, wanted: float | None) -> None:
    (found,) = quantities(text)
    value = in_unit(found, unit)
    assert value == (None if wanted is None else pytest.approx(wanted))


def test_tolerance() -> None:
    assert is_near(10.5, 10, tolerance=0.5, relative=0)
    assert not is_near(10.51, 10, tolerance=0.5, relative=0)
    assert is_near(110, 100, tolerance=0, relative=0.1)
    assert is_near(0.1 + 0.2, 0.3, tolerance=0, relative=0)
