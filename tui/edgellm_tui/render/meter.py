"""Numbers for people: bars, token counts and times."""

from __future__ import annotations

from textual.content import Content


def bar(fraction: float, cells: int) -> Content:
    """A bar of `cells` cells, filled to `fraction` (0 to 1)."""
    done = round(min(max(fraction, 0.0), 1.0) * cells)
    return Content.assemble(("━" * done, "bar-done"), ("─" * (cells - done), "bar-left"))


def tokens(count: int) -> str:
    """`812`, `3.2k`, `128k`."""
    if count < 1000:
        return str(count)
    thousands = count / 1000
    return f"{thousands:.1f}k" if thousands < 10 else f"{thousands:.0f}k"


def seconds(duration_s: float) -> str:
    """`0.21 s`, `4.8 s`, `1 m 12 s`."""
    if duration_s < 1:
        return f"{duration_s:.2f} s"
    if duration_s < 10:
        return f"{duration_s:.1f} s"
    if duration_s < 60:
        return f"{duration_s:.0f} s"
    if duration_s < 3600:
        return f"{int(duration_s // 60)} m {int(duration_s % 60):02} s"
    return f"{int(duration_s // 3600)} h {int(duration_s % 3600 // 60):02} m"


def ago(age_s: float) -> str:
    """`just now`, `5 min`, `3 h`, `2 d`, `6 wk`: how long something is past."""
    for limit, divisor, unit in ((60, 1, ""), (3600, 60, "min"), (86400, 3600, "h"), (14 * 86400, 86400, "d")):
        if age_s < limit:
            return f"{int(age_s // divisor)} {unit}" if unit else "just now"
    return f"{int(age_s // (7 * 86400))} wk"
