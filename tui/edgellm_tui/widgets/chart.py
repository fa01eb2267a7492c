"""The curves of a training run: loss as a line, validation loss as dots."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import RenderResult
from textual.color import Color
from textual_plotext import PlotextPlot

from edgellm_tui.curve import Point, marks, thinned, ticks

LOSS_MARK, VALID_MARK = "━", "●"
"""What stands for each in words beside the chart; they differ without colours too."""
LOSS_COLOUR, VALID_COLOUR = "primary", "accent"
"""Names of theme colours."""
POINTS_A_CELL = 2
"""A braille cell is two dots wide: more points would fall on each other."""

TICK_CELLS = 14
"""Room for a step's number below the chart."""
TICK_LINES = 4
"""Lines from one loss to the next beside it, in a high chart."""


class LossChart(PlotextPlot):
    """Axes and labels have the colour of the widget's text."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.theme = "textual-default"
        self._losses: Sequence[Point] = ()
        self._valid_losses: Sequence[Point] = ()

    def show(self, losses: Sequence[Point], valid_losses: Sequence[Point]) -> None:
        """Draw these; without any the chart takes no room."""
        self._losses, self._valid_losses = losses, valid_losses
        self.display = bool(losses or valid_losses)
        self.refresh()

    def render(self) -> RenderResult:
        """Both curves above a floor of zero."""
        points = [*self._losses, *self._valid_losses]
        if not points:
            return ""
        self.plt.clear_figure()
        self.plt.xaxes(True, False)
        self.plt.yaxes(True, False)
        most = self.size.width * POINTS_A_CELL
        self._draw(thinned(self._losses, most), "braille", LOSS_COLOUR)
        self._draw(thinned(self._valid_losses, self.size.width), VALID_MARK, VALID_COLOUR, is_line=False)
        first, last, top = min(points)[0], max(points)[0], max(loss for _, loss in points) or 1.0
        steps = ticks(first, last, max(self.size.width // TICK_CELLS, 2))
        self.plt.xticks([float(step) for step in steps], [str(step) for step in steps])
        losses = marks(top, 2 + self.size.height // TICK_LINES)
        self.plt.yticks(losses, [f"{loss:g}" for loss in losses])
        self.plt.ylim(0, 1.05 * top)
        return super().render()

    def _draw(self, points: Sequence[Point], mark: str, colour: str, *, is_line: bool = True) -> None:
        if not points:
            return
        steps, losses = [step for step, _ in points], [loss for _, loss in points]
        rgb = Color.parse(self.app.theme_variables[colour]).rgb
        (self.plt.plot if is_line else self.plt.scatter)(steps, losses, marker=mark, color=rgb)
