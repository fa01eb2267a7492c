"""Personal data: found where it is, not where it is not, and never left in place by a mask."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.data.personal import PersonalData
from edgellm.data.rows import Dropped, Example, Reason, Source
from edgellm.data.rules import Action, Kind, Rules
from edgellm.errors import InvalidInput
from tests.unit.data.harness import chat

HERE = Source("a.jsonl", 1)
PEOPLE = {
    Kind.EMAIL: ["ada@example.com", "ada.b+c@mail.example.co.in", "josé@exämple.de", "a@b.xn--p1ai"],
    Kind.IBAN: ["DE89 3704 0044 0532 0130 00", "gb82west12345698765432", "NO93-8601-1117-947"],
    Kind.CARD: ["4111 1111 1111 1111", "4111-1111-1111-1111", "378282246310005", "3782 822463 10005"],
    Kind.FRENCH_NIR: ["2 69 05 49 588 157 80", "253072B07300470"],
    Kind.AADHAAR: ["2341 2341 2346", "2341-2341-2346", "234123412346", "२३४१ २३४१ २३४६"],
    Kind.INDIAN_PAN: ["ABCPE1234F"],
    Kind.US_SSN: ["536-90-4399", "536 90 4399"],
    Kind.BRAZILIAN_CPF: ["529.982.247-25", "52998224725"],
    Kind.POLISH_PESEL: ["44051401359"],
    Kind.SPANISH_DNI: ["12345678Z", "X-1234567-L"],
    Kind.DUTCH_BSN: ["BSN 111222333", "Burgerservicenummer: 111222333"],
    Kind.PHONE: ["+49 30 1234567", "+91 98765 43210", "+1 (650) 253-0000"],
}
CASES = [(kind, text) for kind, texts in PEOPLE.items() for text in texts]
HARMLESS = [
    "The bridge was built in 1887 and cost 1,234,567 marks.",
    "Call 110 or 112.",
    "Version 10.15.7 of 2021-03-04 12:30:45",
    "pi is 3.14159265358979323846",
    "Use user@host in the shell.",
    "It measures 1200 x 800 x 650 mm, order 123456789.",
    "ISBN 978-3-16-148410-0",
]


def found_in(text: str, **rules: str) -> dict[Kind, int]:
    data = PersonalData(Rules(phone_region=rules.get("region")))
    data.treat(Example(HERE, text=text))
    return {kind: number for kind, number in data.found.items() if number}


@pytest.mark.parametrize(("kind", "text"), CASES)
@pytest.mark.parametrize("around", ["{}", "Write to {}, please.", "({})", "पता: {}।", "a,{},b"])
def test_each_kind_is_found_and_masked(kind: Kind, text: str, around: str) -> None:
    data = PersonalData(Rules())
    treated = data.treat(Example(HERE, chat(around.format(text), "An answer.")))
    assert isinstance(treated, Example)
    assert text not in treated.messages[0].content
    assert f"[{kind.value}]" in treated.messages[0].content
    assert data.found[kind] == 1


@pytest.mark.parametrize(("kind", "text"), [case for case in CASES if case[0] is not Kind.PHONE])
def test_a_number_behind_it_hides_nothing(kind: Kind, text: str) -> None:
    assert kind in found_in(f"it is {text} 12/27")


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_numbers_stay(text: str) -> None:
    assert found_in(text) == {}


def test_national_numbers_need_their_region() -> None:
    assert found_in("Ring 098765 43210 today") == {}
    assert found_in("Ring 098765 43210 today", region="IN") == {Kind.PHONE: 1}


def test_an_unknown_region_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'XX'"):
        PersonalData(Rules(phone_region="XX"))


def test_rows_are_dropped_or_kept_by_kind() -> None:
    data = PersonalData(Rules(personal={Kind.CARD: Action.DROP, Kind.EMAIL: Action.KEEP}))
    kept = data.treat(Example(HERE, chat("Mail ada@example.com", "An answer.")))
    assert isinstance(kept, Example)
    assert kept.messages[0].content == "Mail ada@example.com"
    gone = data.treat(Example(HERE, chat("Where?", "Pay with 4111 1111 1111 1111")))
    assert isinstance(gone, Dropped)
    assert (gone.reason, gone.detail) == (Reason.PERSONAL_DATA, "holds card")
    assert data.found == {Kind.EMAIL: 1, Kind.CARD: 1}


pieces = st.one_of(
    st.sampled_from([text for _, text in CASES]),
    st.text("0123456789 -./@abzXYZ()+[]", max_size=20),
    st.text(max_size=10),
)


@given(st.lists(pieces, max_size=8).map("".join))
def test_a_mask_leaves_no_match_in_place(text: str) -> None:
    data = PersonalData(Rules(phone_region="IN"))
    once = data.treat(Example(HERE, text=text))
    assert isinstance(once, Example)
    again = PersonalData(Rules(phone_region="IN"))
    assert again.treat(once) == once
    assert not +again.found


@given(st.lists(pieces, max_size=8).map("".join))
def test_keeping_changes_nothing(text: str) -> None:
    data = PersonalData(Rules(personal=dict.fromkeys(Kind, Action.KEEP)))
    assert data.treat(Example(HERE, text=text)) == Example(HERE, text=text)


def test_what_a_mask_uncovers_is_masked_too() -> None:
    treated = PersonalData(Rules()).treat(Example(HERE, text="ada@example.com2341 2341 2346"))
    assert treated == Example(HERE, text="[email][aadhaar]")


@pytest.mark.parametrize("space", ["\u00a0", " ", "\t(", "\u2003"])
def test_a_long_run_between_digits_is_read_once(space: str) -> None:
    assert found_in("1234" + space * 100_000 + "x") == {}  # hours, if it were divided in every possible way
