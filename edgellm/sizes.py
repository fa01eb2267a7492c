"""Amounts of memory and disk as people read them: one rule for every face."""

from __future__ import annotations

UNITS = ("B", "kB", "MB", "GB", "TB")


def size(count_bytes: float) -> str:
    """Bytes in decimal units, as model pages and disks state them: `512 B`, `98.4 MB`, `1.2 GB`."""
    value, unit = float(count_bytes), UNITS[0]
    for unit in UNITS:
        if value < 999.5 or unit == UNITS[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
