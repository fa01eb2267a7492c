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


def amount(number: float, unit: str) -> str:
    """So many of a unit, bytes as `size` writes them: `98.4 MB`, `1,204 files`."""
    return size(number) if unit in ("bytes", "B") else f"{number:,.0f} {unit}".rstrip()


def pace(rate: float, unit: str) -> str:
    """So many a second, or a minute where a second sees less than one: `12.0 MB/s`, `52 files/s`, `9 files/min`."""
    return f"{amount(rate * 60, unit)}/min" if rate < 1 else f"{amount(rate, unit)}/s"
