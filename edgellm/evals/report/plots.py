"""Plots as SVG, drawn by hand: scores with their intervals, one row a suite and subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

LEFT, WIDTH, RIGHT, ROW = 260, 420, 130, 26
COLOURS = ("#1f5fa8", "#8a8a8a", "#c07a1e", "#5b8c5a", "#8a5aa8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A value with its interval."""

    label: str
    text: str
    """What stands at the end of the row."""
    value: float
    low: float
    high: float
    colour: int = 0


def intervals(bars: Sequence[Bar], low: float, high: float, caption: str) -> str:
    """One row a bar on an axis from `low` to `high`, with a line at 0 where the axis has it."""
    height = ROW * len(bars) + 30
    parts = [
        f'<svg role="img" viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" xmlns="http://www.w3.org/2000/svg">',
        f"<title>{escape(caption)}</title>",
        *(_tick(low + (high - low) * at / 4, low, high, height) for at in range(5)),
    ]
    for row, bar in enumerate(bars):
        parts += _row(bar, ROW * row + 14, low, high)
    return "".join([*parts, "</svg>"])


def _row(bar: Bar, y: int, low: float, high: float) -> list[str]:
    colour = COLOURS[bar.colour % len(COLOURS)]
    begin, middle, end = (_x(each, low, high) for each in (bar.low, bar.value, bar.high))
    return [
        f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(_shortened(bar.label))}</text>',
        f'<line x1="{begin:.1f}" y1="{y}" x2="{end:.1f}" y2="{y}" stroke="{colour}" stroke-width="3"/>',
        f'<circle cx="{middle:.1f}" cy="{y}" r="5" fill="{colour}"/>',
        f'<text x="{LEFT + WIDTH + 10}" y="{y + 4}">{escape(bar.text)}</text>',
    ]


def _tick(value: float, low: float, high: float, height: int) -> str:
    x = _x(value, low, high)
    strong = ' stroke-width="2"' if value == 0 and low < 0 else ""
    return (
        f'<line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height - 22}" stroke="#d8d8d8"{strong}/>'
        f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle">{100 * value:.0f}</text>'
    )


def _x(value: float, low: float, high: float) -> float:
    return LEFT + WIDTH * (min(high, max(low, value)) - low) / (high - low)


def _shortened(label: str, most: int = 36) -> str:
    return label if len(label) <= most else f"{label[: most - 1]}…"
