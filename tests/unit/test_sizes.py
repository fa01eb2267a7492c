"""Amounts of memory, disk and other things."""

from __future__ import annotations

from edgellm.sizes import amount, pace, size


def test_sizes_as_people_read_them() -> None:
    assert [size(n) for n in (0, 999, 1000, 98_000_000, 999_960_000, 10**12)] == [
        "0 B", "999 B", "1.0 kB", "98.0 MB", "1.0 GB", "1.0 TB"
    ]  # fmt: skip
    assert [size(n) for n in (99_940_000, 99_960_000)] == ["99.9 MB", "100 MB"]


def test_amounts_name_their_unit() -> None:
    assert [amount(1204, "files"), amount(98_400_000, "bytes"), amount(3, "")] == ["1,204 files", "98.4 MB", "3"]


def test_a_pace_of_less_than_one_a_second_is_told_by_the_minute() -> None:
    assert [pace(21_000_000, "B"), pace(1, "files"), pace(0.3, "files")] == ["21.0 MB/s", "1 files/s", "18 files/min"]
