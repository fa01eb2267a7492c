"""Range checks for sampling settings."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.errors import InvalidInput
from edgellm.sampling import BIAS, MAX_SEED, NUMBERS, OPTIONAL_NUMBERS, check_sampling
from edgellm.types import Sampling


def changed(field: str, value: Any) -> Sampling:
    return dataclasses.replace(Sampling(), **{field: value})


def test_defaults_and_limits_are_accepted() -> None:
    check_sampling(Sampling())
    check_sampling(
        Sampling(
            temperature=5, top_k=0, top_p=1, min_p=1, repeat_penalty=0.1, presence_penalty=-2, frequency_penalty=2,
            seed=MAX_SEED, logit_bias={0: -100, 7: 100.0}, stop=("\n",) * 16, max_tokens=1, logprobs=20, n=16,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -0.01), ("temperature", 5.01), ("temperature", "1"), ("temperature", True),
        ("top_k", -1), ("top_k", 1.5), ("top_p", 0), ("top_p", 1.01), ("min_p", -0.1), ("min_p", 1.1),
        ("repeat_penalty", 0), ("presence_penalty", 2.1), ("frequency_penalty", -2.1),
        ("seed", -1), ("seed", 2**32 - 1), ("seed", 2**63), ("max_tokens", 0), ("max_tokens", -5),
        ("logprobs", 21), ("logprobs", -1), ("n", 0), ("n", 17), ("n", 1.0),
        ("logit_bias", {-1: 1.0}), ("logit_bias", {3: 101}), ("logit_bias", {3: math.nan}), ("logit_bias", {"3": 1.0}),
        ("logit_bias", dict.fromkeys(range(2000), 1.0)),
        ("stop", ("",)), ("stop", ("a",) * 17), ("stop", "text"), ("stop", (3,)), ("stop", ("x" * 257,)),
    ],
)  # fmt: skip
def test_out_of_range_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_sampling(changed(field, value))
    assert caught.value.facts["field"] == field
    assert field in caught.value.message


def test_a_number_larger_than_any_float_is_refused() -> None:
    with pytest.raises(InvalidInput, match="seed"):
        check_sampling(changed("seed", 10**400))


@given(st.sampled_from([*NUMBERS, *OPTIONAL_NUMBERS]), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_no_field_takes_a_number_that_is_not_finite(field: str, value: float) -> None:
    with pytest.raises(InvalidInput):
        check_sampling(changed(field, value))


@given(
    st.sampled_from(["temperature", "top_p", "min_p", "repeat_penalty", "presence_penalty", "frequency_penalty"]),
    st.floats(allow_nan=True, allow_infinity=True),
)
def test_a_float_is_accepted_exactly_inside_its_range(field: str, value: float) -> None:
    expected = NUMBERS[field].contains(value)
    try:
        check_sampling(changed(field, value))
    except InvalidInput:
        assert not expected
    else:
        assert expected


@given(st.floats(min_value=-100, max_value=100))
def test_biases_inside_the_range_are_accepted(bias: float) -> None:
    assert BIAS.contains(bias)
    check_sampling(changed("logit_bias", {1: bias}))
