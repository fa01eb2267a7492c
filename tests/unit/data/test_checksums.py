"""Check digits: published examples pass, and changing any one digit fails where the method promises it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgellm.data import checksums

VALID: list[tuple[Callable[[str], bool], str]] = [
    (checksums.is_card, "4111111111111111"),
    (checksums.is_card, "378282246310005"),
    (checksums.is_card, "5555555555554444"),
    (checksums.is_iban, "DE89370400440532013000"),
    (checksums.is_iban, "GB82WEST12345698765432"),
    (checksums.is_iban, "NO9386011117947"),
    (checksums.is_iban, "FR1420041010050500013M02606"),
    (checksums.is_aadhaar, "234123412346"),
    (checksums.is_aadhaar, "२३४१२३४१२३४६"),
    (checksums.is_indian_pan, "ABCPE1234F"),
    (checksums.is_us_ssn, "536904399"),
    (checksums.is_brazilian_cpf, "52998224725"),
    (checksums.is_polish_pesel, "44051401359"),
    (checksums.is_polish_pesel, "02070803628"),
    (checksums.is_spanish_dni, "12345678Z"),
    (checksums.is_spanish_dni, "X1234567L"),
    (checksums.is_dutch_bsn, "111222333"),
    (checksums.is_french_nir, "253072B07300470"),
    (checksums.is_french_nir, "269054958815780"),
]
CATCHES_EVERY_DIGIT = [case for case in VALID if case[0] not in (checksums.is_indian_pan, checksums.is_us_ssn)]


@pytest.mark.parametrize(("check", "number"), VALID)
def test_published_numbers_pass(check: Callable[[str], bool], number: str) -> None:
    assert check(number)


@pytest.mark.parametrize(("check", "number"), CATCHES_EVERY_DIGIT)
def test_one_wrong_digit_fails(check: Callable[[str], bool], number: str) -> None:
    for at, character in enumerate(number):
        if character.isdecimal():
            for digit in "0123456789":
                if int(digit) != int(character):
                    assert not check(number[:at] + digit + number[at + 1 :]), (at, digit)


@pytest.mark.parametrize("check", dict(VALID))
@pytest.mark.parametrize(
    "text", ["", "1", "abc", "0" * 9, "0" * 11, "0" * 12, "1" * 40, "²" * 12, "DE", "ZZ00" + "0" * 18]
)
def test_junk_fails(check: Callable[[str], bool], text: str) -> None:
    assert not check(text)


@pytest.mark.parametrize("number", ["000904399", "666904399", "936904399", "536004399", "536900000"])
def test_social_security_numbers_that_are_never_given(number: str) -> None:
    assert not checksums.is_us_ssn(number)


@pytest.mark.parametrize("text", ["ABCDE1234F", "abcpe1234f", "ABCPE0000F", "ABCPE12345"])
def test_texts_that_are_no_pan(text: str) -> None:
    assert not checksums.is_indian_pan(text)


def test_a_pesel_holds_a_date() -> None:
    assert not checksums.is_polish_pesel("44053201351")
