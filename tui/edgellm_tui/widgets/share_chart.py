"""Shares over time: requests by day with the answered ones, or ratings by week."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import RenderResult
from textual.color import Color
from textual_plotext import PlotextPlot

from edgellm.monitor.values import Day, Week
from edgellm_tui.curve import marks
from edgellm_tui.render import meter

NAME_CELLS = 7
"""Room for a day's name below its bar."""
DAY_CELLS = 3
"""Room for a day's bar."""
SHARES = (0, 25, 50, 75, 100)


class ShareChart(PlotextPlot):
    """Draws what it was shown last; nothing takes no room."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.theme = "textual-default"
        self._days: Sequence[Day] = ()
        self._weeks: Sequence[Week] = ()

    def show_days(self, days: Sequence[Day]) -> None:
        """Requests and answers by day."""
        self._days, self._weeks = days, ()
        self.display = any(day.asked for day in days)
        self.refresh()

    def show_weeks(self, weeks: Sequence[Week]) -> None:
        """Shares of answers rated up."""
        self._days, self._weeks = (), weeks
        self.display = any(week.liked.of for week in weeks)
        self.refresh()

    def show_nothing(self) -> None:
        """Take no room."""
        self._days, self._weeks, self.display = (), (), False

    def render(self) -> RenderResult:
        """Bars or dots above a floor of zero."""
        if not self._days and not self._weeks:
            return ""
        self.plt.clear_figure()
        self.plt.xaxes(True, False)
        self.plt.yaxes(True, False)
        if self._days:
            self._draw_days(self._days[-max((self.size.width - 8) // DAY_CELLS, 2) :])
        else:
            self._draw_weeks(self._weeks[-max((self.size.width - 8) // 4, 2) :])
        return super().render()

    def _draw_days(self, days: Sequence[Day]) -> None:
        places = [float(place) for place in range(1, len(days) + 1)]
        top = float(max(day.asked for day in days) or 1)
        self.plt.bar(places, [day.asked for day in days], width=0.5, color=self._colour("accent"), marker="░")
        self.plt.bar(places, [day.answered for day in days], width=0.5, color=self._colour("primary"), marker="█")
        levels = marks(top, 2 + self.size.height // 4)
        self.plt.yticks(levels, [meter.tokens(int(level)) for level in levels])
        self.plt.ylim(0, 1.05 * top)
        self._label(places, [day.day[5:] for day in days])

    def _draw_weeks(self, weeks: Sequence[Week]) -> None:
        places = [float(place) for place in range(1, len(weeks) + 1)]
        for place, week in zip(places, weeks, strict=True):
            if week.liked.low is not None and week.liked.high is not None:
                ends = [100 * week.liked.low, 100 * week.liked.high]
                self.plt.plot([place, place], ends, marker="│", color=self._colour("primary"))
        rated = [
            (place, 100 * week.liked.rate)
            for place, week in zip(places, weeks, strict=True)
            if week.liked.rate is not None
        ]
        self.plt.scatter(
            [at for at, _ in rated], [share for _, share in rated], marker="●", color=self._colour("primary")
        )
        self.plt.yticks(list(SHARES), [f"{share} %" for share in SHARES])
        self.plt.ylim(0, 105)
        self._label(places, [week.week[5:] for week in weeks])

    def _label(self, places: Sequence[float], names: Sequence[str]) -> None:
        """As many names below as there is room for."""
        every = max(1, -(-len(names) * NAME_CELLS // max(self.size.width - 8, 1)))
        self.plt.xticks(list(places)[::every], list(names)[::every])
        self.plt.xlim(0.4, len(places) + 0.6)

    def _colour(self, name: str) -> tuple[int, int, int]:
        return Color.parse(self.app.theme_variables[name]).rgb
