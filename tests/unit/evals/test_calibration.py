"""Calibration against values computed by hand."""

from __future__ import annotations

import math

import numpy as np
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


def test_both_are_those_of_scikit_learn() -> None:
    """Its curve gives the mean confidence and the share right of every bin that is not empty; bins are alike."""
    metrics, calibration = pytest.importorskip("sklearn.metrics"), pytest.importorskip("sklearn.calibration")
    random = np.random.default_rng(5)
    shares, right = random.dirichlet([1.0] * 4, 200), random.integers(0, 4, 200)
    ours = np.mean([brier(each.tolist(), int(at)) for each, at in zip(shares, right, strict=True)])
    assert ours == pytest.approx(metrics.brier_score_loss(right, shares, labels=range(4), scale_by_half=False))
    confidence, is_right = shares.max(1), shares.argmax(1) == right
    accuracy, sure = calibration.calibration_curve(is_right, confidence, n_bins=10)
    held = np.histogram(confidence, bins=10, range=(0, 1))[0]
    wanted = float((abs(accuracy - sure) * held[held > 0]).sum() / 200)
    assert calibration_error(confidence.tolist(), is_right.tolist()) == pytest.approx(wanted)
