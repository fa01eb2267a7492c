"""Tokens by day as bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import RenderResult
from textual.color import Color
from textual_plotext import PlotextPlot

from edgellm_tui.curve import marks
from edgellm_tui.render import meter

DAY_CELLS = 7
"""Room for a day's name below its bar."""
MOST_DAYS = 31
Days = Sequence[tuple[str, int]]


class UsageChart(PlotextPlot):
    """One bar a day, as many days as there is room for."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.theme = "textual-default"
        self._days: Callable[[int], Days] = lambda _: ()

    def show(self, days: Callable[[int], Days]) -> None:
        """`days`: the newest ones, as many as asked for."""
        self._days = days
        self.refresh()

    def render(self) -> RenderResult:
        """Bars above a floor of zero; nothing while nothing was used."""
        days = self._days(min(max((self.size.width - 8) // DAY_CELLS, 2), MOST_DAYS))
        top = max((tokens for _, tokens in days), default=0)
        if not top:
            return ""
        self.plt.clear_figure()
        self.plt.xaxes(True, False)
        self.plt.yaxes(True, False)
        places = [float(place) for place in range(1, len(days) + 1)]
        rgb = Color.parse(self.app.theme_variables["primary"]).rgb
        self.plt.bar(places, [tokens for _, tokens in days], width=0.5, color=rgb, marker="█")
        self.plt.xticks(places, [day for day, _ in days])
        levels = marks(float(top), 2 + self.size.height // 4)
        self.plt.yticks(levels, [meter.tokens(int(level)) for level in levels])
        self.plt.xlim(0.4, len(days) + 0.6)  # so that the last name has room
        self.plt.ylim(0, 1.05 * top)
        return super().render()
