"""Check digits of payment cards, bank accounts and national identity numbers.

Each function takes the bare characters, without separators, and says whether they can be a number of that kind.
Digits of every script are understood.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

_D5 = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 4, 0, 6, 7, 8, 9, 5), (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7), (4, 0, 1, 2, 3, 9, 5, 6, 7, 8), (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2), (7, 6, 5, 9, 8, 2, 1, 0, 4, 3), (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)  # fmt: skip
"""Multiplication in the dihedral group of order ten."""
_PERMUTED = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 5, 7, 6, 2, 8, 3, 0, 9, 4), (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
    (8, 9, 1, 6, 0, 4, 3, 5, 2, 7), (9, 4, 5, 3, 1, 2, 6, 8, 7, 0), (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
    (2, 7, 9, 3, 8, 0, 6, 4, 1, 5), (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)  # fmt: skip
"""Verhoeff's permutation, applied as often as the place from the right says."""

IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
    "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29,
    "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
    "YE": 30,
}  # fmt: skip
"""Characters of an account number by country, from the SWIFT IBAN registry."""
_CARD_LENGTHS = (13, 14, 15, 16, 17, 18, 19)
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"


def is_card(digits: str) -> bool:
    """A payment card: 13 to 19 digits, an issuer's beginning (2 to 6), Luhn's check digit (ISO/IEC 7812-1)."""
    numbers = _numbers(digits)
    if len(numbers) not in _CARD_LENGTHS or not 2 <= numbers[0] <= 6:
        return False
    doubled = [sum(divmod(2 * number, 10)) for number in numbers[-2::-2]]
    return (sum(doubled) + sum(numbers[-1::-2])) % 10 == 0


def is_iban(text: str) -> bool:
    """A bank account number: the country's length, remainder 1 by 97 (ISO 13616, ISO 7064 MOD 97-10)."""
    account = text.upper()
    if not account.isascii() or not account.isalnum() or IBAN_LENGTHS.get(account[:2]) != len(account):
        return False
    return int("".join(str(int(character, 36)) for character in account[4:] + account[:4])) % 97 == 1


def is_aadhaar(digits: str) -> bool:
    """An Indian Aadhaar number: 12 digits, not beginning with 0 or 1, Verhoeff's check digit."""
    numbers = _numbers(digits)
    if len(numbers) != 12 or numbers[0] < 2:
        return False
    check = 0
    for place, number in enumerate(reversed(numbers)):
        check = _D5[check][_PERMUTED[place % 8][number]]
    return check == 0


def is_indian_pan(text: str) -> bool:
    """An Indian PAN: five letters of which the fourth names the holder's kind, four digits, a letter.

    Its check letter is not public: the structure is all that can be checked.
    """
    letters = text[:5] + text[9:]
    is_shaped = len(text) == 10 and letters.isascii() and letters.isalpha() and letters.isupper()
    return is_shaped and text[3] in "ABCFGHJLPT" and text[5:9].isdecimal() and text[5:9] != "0000"


def is_us_ssn(digits: str) -> bool:
    """A United States social security number: nine digits, no part zero, area neither 666 nor above 899.

    It has no check digit.
    """
    numbers = _numbers(digits)
    if len(numbers) != 9:
        return False
    area, group, serial = _value(numbers[:3]), _value(numbers[3:5]), _value(numbers[5:])
    return 0 < area < 900 and area != 666 and group > 0 and serial > 0


def is_brazilian_cpf(digits: str) -> bool:
    """A Brazilian CPF: 11 digits, not all the same, two check digits modulo 11."""
    numbers = _numbers(digits)
    if len(numbers) != 11 or len(set(numbers)) == 1:
        return False
    return all(
        numbers[length] == _weighted(numbers[:length], range(length + 1, 1, -1)) * 10 % 11 % 10 for length in (9, 10)
    )


def is_polish_pesel(digits: str) -> bool:
    """A Polish PESEL: 11 digits, a date of birth, a weighted check digit modulo 10."""
    numbers = _numbers(digits)
    if len(numbers) != 11 or _weighted(numbers, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10:
        return False
    century, month = divmod(_value(numbers[2:4]), 20)
    year = (1900, 2000, 2100, 2200, 1800)[century] + _value(numbers[:2])
    return _is_date(year, month, _value(numbers[4:6]))


def is_spanish_dni(text: str) -> bool:
    """A Spanish DNI or NIE: eight digits (or X, Y, Z and seven) and the letter that their remainder by 23 names."""
    number, letter = text[:-1].upper(), text[-1:].upper()
    number = {"X": "0", "Y": "1", "Z": "2"}.get(number[:1], number[:1]) + number[1:]
    return len(number) == 8 and number.isdecimal() and _DNI_LETTERS[int(number) % 23] == letter


def is_dutch_bsn(digits: str) -> bool:
    """A Dutch BSN: nine digits that pass the eleven test."""
    numbers = _numbers(digits)
    return len(numbers) == 9 and any(numbers) and _weighted(numbers, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def is_french_nir(text: str) -> bool:
    """A French NIR: sex, year, month, department (2A and 2B for Corsica), order, and a key modulo 97."""
    number = text.upper().replace("2A", "19", 1).replace("2B", "18", 1) if text[5:7].upper() in ("2A", "2B") else text
    if len(number) != 15 or not number.isdecimal():
        return False
    month = int(number[3:5])
    is_month = 1 <= month <= 12 or 20 <= month <= 42 or 50 <= month <= 99
    return number[0] in "12378" and is_month and 97 - int(number[:13]) % 97 == int(number[13:])


def _numbers(digits: str) -> list[int]:
    return [int(digit) for digit in digits] if digits.isdecimal() else []


def _value(numbers: Sequence[int]) -> int:
    return int("".join(map(str, numbers)))


def _weighted(numbers: Sequence[int], weights: Sequence[int]) -> int:
    return sum(number * weight for number, weight in zip(numbers, weights, strict=True))


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
