"""Plots as SVG, drawn by hand: shares over days and weeks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

LEFT, WIDTH, HEIGHT, BELOW = 50, 820, 150, 30
COLOURS = ("#1f5fa8", "#c07a1e")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A share at a time, with its interval where it has one; None: nothing was counted then."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None


def bars(labels: Sequence[str], values: Sequence[int], filled: Sequence[int], caption: str) -> str:
    """One bar a day, its lower part filled: so many of so many."""
    top = max(values, default=0) or 1
    step = WIDTH / max(1, len(values))
    parts = [_axis(caption, [f"{top:,}", "0"])]
    for at, (whole, part) in enumerate(zip(values, filled, strict=True)):
        x, wide = LEFT + step * at + step * 0.15, step * 0.7
        for number, colour in ((whole, COLOURS[1]), (min(whole, part), COLOURS[0])):
            tall = HEIGHT * number / top
            parts.append(
                f'<rect x="{x:.1f}" y="{HEIGHT - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}" fill="{colour}"/>'
            )
    return "".join([*parts, *_names(labels, step), "</svg>"])


def dots(found: Sequence[Dot], caption: str) -> str:
    """A dot with its interval for each time, from 0 to 100 %."""
    step = WIDTH / max(1, len(found))
    parts = [_axis(caption, ["100 %", "0 %"])]
    for at, dot in enumerate(found):
        if dot.value is not None:
            x = LEFT + step * (at + 0.5)
            if dot.low is not None and dot.high is not None:
                ends = f'y1="{HEIGHT * (1 - dot.low):.1f}" y2="{HEIGHT * (1 - dot.high):.1f}"'
                parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" {ends} stroke="{COLOURS[0]}" stroke-width="3"/>')
            parts.append(f'<circle cx="{x:.1f}" cy="{HEIGHT * (1 - dot.value):.1f}" r="5" fill="{COLOURS[0]}"/>')
    return "".join([*parts, *_names([dot.label for dot in found], step), "</svg>"])


def _axis(caption: str, ends: Sequence[str]) -> str:
    lines = "".join(
        f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y}" y2="{y}" stroke="#d8d8d8"/>'
        f'<text x="{LEFT - 6}" y="{y + (12 if y == 0 else 0)}" text-anchor="end">{escape(name)}</text>'
        for y, name in zip((0, HEIGHT), ends, strict=True)
    )
    box = f'viewBox="0 0 {LEFT + WIDTH + 10} {HEIGHT + BELOW}"'
    return f'<svg role="img" {box} xmlns="http://www.w3.org/2000/svg"><title>{escape(caption)}</title>{lines}'


def _names(labels: Sequence[str], step: float) -> list[str]:
    """As many names below as there is room for."""
    every = max(1, -(-len(labels) // 10))
    return [
        f'<text x="{LEFT + step * (at + 0.5):.1f}" y="{HEIGHT + 18}" text-anchor="middle">{escape(name)}</text>'
        for at, name in enumerate(labels)
        if at % every == 0
    ]
