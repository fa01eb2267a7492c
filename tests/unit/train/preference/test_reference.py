"""What the model thought before it learnt: computed once, kept, and computed again only where it must be."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.train.preference import reference
from edgellm.train.preference.reference import take_reference
from tests.unit.train.preference.plain import log_p
from tests.unit.train.tiny import rows, tiny_decoder

ROWS = rows(9, seed=4)


def test_numbers_are_those_of_each_row_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "BATCH_TOKENS", 40)
    model = tiny_decoder()
    found = take_reference(model, ROWS, None, "plan").of(ROWS[::-1]).tolist()
    assert found == pytest.approx([log_p(model, row).item() for row in ROWS[::-1]], abs=1e-4)


def test_they_are_computed_once(tmp_path: Path) -> None:
    file = tmp_path / "reference"
    first = take_reference(tiny_decoder(), ROWS, file, "plan").of(ROWS).tolist()
    assert take_reference(tiny_decoder(seed=8), ROWS, file, "plan").of(ROWS).tolist() == first, "read, not computed"


@pytest.mark.parametrize("plan", ["plan", "other"])
def test_a_damaged_file_or_one_of_another_plan_is_made_again(tmp_path: Path, plan: str) -> None:
    file = tmp_path / "reference"
    take_reference(tiny_decoder(seed=8), ROWS, file, "plan")
    if plan == "plan":
        file.write_bytes(file.read_bytes()[:-3])
    wanted = take_reference(tiny_decoder(), ROWS, None, plan).of(ROWS).tolist()
    for _ in range(2):
        assert take_reference(tiny_decoder(), ROWS, file, plan).of(ROWS).tolist() == wanted


def test_a_row_that_was_not_read_is_an_error() -> None:
    with pytest.raises(KeyError):
        take_reference(tiny_decoder(), ROWS[:2], None, "").of(ROWS[:3])
