"""Amounts of memory and disk."""

from __future__ import annotations

from edgellm.sizes import size


def test_sizes_as_people_read_them() -> None:
    assert [size(n) for n in (0, 999, 1000, 98_000_000, 999_960_000, 10**12)] == [
        "0 B", "999 B", "1.0 kB", "98.0 MB", "1.0 GB", "1.0 TB"
    ]  # fmt: skip
    assert [size(n) for n in (99_940_000, 99_960_000)] == ["99.9 MB", "100 MB"]
