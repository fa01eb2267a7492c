"""Shapes of models by their size."""

from __future__ import annotations

import pytest

from edgellm.errors import InvalidInput
from edgellm.pretrain.shape import LEAST, MOST, TOLERANCE, choose_shape, parameters_from, vocabulary_for

SIZES = [LEAST, 700_000, 1_000_000, 1_500_000, 3_000_000, 8_000_000, 20_000_000, MOST]


@pytest.mark.parametrize("wanted", SIZES)
def test_a_shape_has_about_the_parameters_that_were_asked_for(wanted: int) -> None:
    shape = choose_shape(wanted, vocabulary_for(wanted), 256)
    assert abs(shape.parameters / wanted - 1) < TOLERANCE
    assert shape.vocabulary * shape.width < 0.4 * shape.parameters, "most weights are in layers"
    assert 16 <= shape.width / shape.layers <= 64
    assert shape.width % shape.head_width == 0


def test_more_parameters_are_more_of_everything() -> None:
    shapes = [choose_shape(wanted, vocabulary_for(wanted), 256) for wanted in SIZES]
    assert [shape.parameters for shape in shapes] == sorted(shape.parameters for shape in shapes)
    assert [shape.vocabulary for shape in shapes] == sorted(shape.vocabulary for shape in shapes)


def test_a_small_vocabulary_leaves_more_for_layers() -> None:
    assert abs(choose_shape(LEAST, 300, 128).parameters / LEAST - 1) < 2 * TOLERANCE


@pytest.mark.parametrize(
    ("text", "parameters"), [("3M", 3_000_000), ("500k", 500_000), ("2.5m", 2_500_000), ("800000", 800_000)]
)
def test_sizes_are_read_as_people_write_them(text: str, parameters: int) -> None:
    assert parameters_from(text) == parameters


@pytest.mark.parametrize("text", ["", "M", "3G", "many", "100k", "1B", "51M", "nan", "-3M", "infM"])
def test_other_sizes_are_refused_with_the_range(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"0\.5M to 50M can"):
        parameters_from(text)
