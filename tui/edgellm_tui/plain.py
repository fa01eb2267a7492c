"""What colours say, said without them: for people who set NO_COLOR."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from textual.color import Color
from textual.filter import LineFilter
from textual.style import Style

FAINT = 0.42
"""Text whose brightness differs less than this from what is behind it is faint on purpose."""
TINTED = 18
"""A background whose strongest and weakest part (0 to 255) differ more than this means something."""
BRIGHT = 0.4
"""A background brighter than this is a cursor, for the theme is dark wherever there are no colours."""
_GREEN, _YELLOW = range(90, 170), range(20, 75)
"""Hues in degrees of backgrounds that say: all is well, and: look at this. All others mark what is chosen or wrong."""
_REVERSE, _UNDERLINE = Style(reverse=True).rich_style, Style(underline=True).rich_style
_DIM = Style(dim=True).rich_style

Rich = Any
"""A value of Rich, in which Textual draws its lines."""


class Plain(LineFilter):
    """Takes every colour from what is drawn, and leaves attributes in their place: reverse, underline, dim.

    Textual's own filter for NO_COLOR makes greys, which are colours to a terminal.
    """

    def apply(self, segments: list[Rich], background: Color) -> list[Rich]:  # noqa: ARG002
        """The same segments without a colour."""
        return [segment._replace(style=segment.style and plain(segment.style)) for segment in segments]


@lru_cache(4096)
def plain(style: Rich) -> Rich:
    """A style without its colours: a background that means something is reversed or underlined, faint text is dim."""
    found = style.without_color + Style.from_meta(style.meta).rich_style
    if style.reverse:
        return found
    if look := _look(style.bgcolor):
        return found + look
    return found + _DIM if _is_faint(style) else found


def _look(background: Rich) -> Rich:
    """What a background is shown as; None for one that means nothing."""
    if background is None or background.triplet is None:
        return None
    color = Color.from_rich_color(background)
    if color.brightness > BRIGHT:
        return _REVERSE
    hue = round(color.hsl.h * 360)
    if max(color.rgb) - min(color.rgb) < TINTED or hue in _GREEN:
        return None
    return _UNDERLINE if hue in _YELLOW else _REVERSE


def _is_faint(style: Rich) -> bool:
    if style.color is None or style.bgcolor is None:
        return False
    front, behind = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
    return abs(front.brightness - behind.brightness) < FAINT
