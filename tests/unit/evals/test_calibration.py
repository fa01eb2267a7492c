"""Calibration against values computed by hand."""

from __future__ import annotations

import math

import pytest

from edgellm.evals.calibration import brier, calibration_error, probabilities


def test_probabilities_are_a_softmax() -> None:
    assert probabilities([math.log(1), math.log(3)]) == pytest.approx([0.25, 0.75])
    assert probabilities([-1000.0, -1000.0]) == [0.5, 0.5]


def test_brier() -> None:
    assert brier([0.7, 0.2, 0.1], right=0) == pytest.approx(0.09 + 0.04 + 0.01)
    assert brier([0.0, 1.0], right=0) == 2.0


def test_calibration_error() -> None:
    """Two at 0.9 of which one is right (distance 0.4), two at 0.6 of which both are (0.4)."""
    assert calibration_error([0.9, 0.9, 0.6, 0.6], [True, False, True, True]) == pytest.approx(0.4)
    assert calibration_error([1.0, 1.0], [True, True]) == 0.0
    assert calibration_error([], []) == 0.0
