"""One training run: what learns what, its curves, its numbers, and why it failed."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from edgellm.events import Failed, Finished, Sampled
from edgellm.safetext import clean_line
from edgellm_tui.curve import Curve
from edgellm_tui.render.explain import flow
from edgellm_tui.runs import RunRow, facts, left_out, loss_text
from edgellm_tui.widgets.chart import LOSS_COLOUR, LOSS_MARK, VALID_COLOUR, VALID_MARK, LossChart
from edgellm_tui.wording import in_app

GAP = Content("   ")
NOTHING_YET = (
    "Nothing was trained yet. n begins a run: from a file of examples a model learns what it did not know, on this "
    "computer. What it learns is an adapter, a small file beside the model, used as MODEL@NAME."
)


class RunView(Vertical):
    """Title above, chart, numbers below; takes values."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._curve = Curve()
        self._title = Static(id="run-title", markup=False)
        self._chart = LossChart(id="run-chart")
        self._facts = Static(id="run-facts", markup=False)

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self._title
        yield self._chart
        yield self._facts

    def show(self, row: RunRow | None, curve: Curve) -> None:
        """Draw a run as far as it is known; None: there is none."""
        self._curve = curve
        self._chart.show(curve.losses, curve.valid_losses)
        self._title.update(_title(row, curve))
        self._flow()

    def on_resize(self) -> None:
        """Numbers flow again."""
        self._flow()

    def _flow(self) -> None:
        width = max(self.scrollable_content_region.width, 20)
        lines = flow([fact + GAP for fact in _facts(self._curve)], width)[0]
        lines = [*lines, *_samples(self._curve)]
        if isinstance(self._curve.ending, Finished) and (without := left_out(self._curve.ending.result)):
            lines = [*lines, *Content.styled(f"left out  {without}", "$foreground 55%").wrap(width)]
        if isinstance(self._curve.ending, Failed):
            lines = [*lines, *Content.styled(in_app(self._curve.ending.message), "$text-error").wrap(width)]
        self._facts.update(Content("\n").join(line for line in lines if line))


def _title(row: RunRow | None, curve: Curve) -> Content:
    if row is None:
        return Content.styled(NOTHING_YET, "$foreground 70%")
    doing = f"\n{clean_line(curve.doing)} …" if row.is_active and curve.doing and not curve.losses else ""
    return Content.assemble((row.title, "bold $primary"), (doing, "$foreground 60%"))


def _samples(curve: Curve) -> list[Content]:
    """A question of the data, what the model said at first, and what it says now; a line each."""
    first, last = curve.first_sample, curve.sample
    if first is None or last is None:
        return []
    asked = Content.assemble((f"asked  {clean_line(last.question)}", "$foreground 55%"))
    return [asked, *(_sample(said) for said in ([first, last] if last.step != first.step else [first]))]


def _sample(said: Sampled) -> Content:
    return Content.assemble((f"{f'step {said.step:,}':>10}  ", "$foreground 55%"), clean_line(said.text))


def _facts(curve: Curve) -> list[Content]:
    curves = (
        ("loss", curve.losses, LOSS_MARK, LOSS_COLOUR),
        ("on unseen rows", curve.valid_losses, VALID_MARK, VALID_COLOUR),
    )
    boxes = [
        Content.assemble((mark, f"${colour}"), (f" {name} ", "$foreground 55%"), (loss_text(points[-1][1]), "bold"))
        for name, points, mark, colour in curves
        if points
    ]
    return boxes + [
        Content.assemble((value, "$foreground 90%"), (f" {words}", "$foreground 55%")) for value, words in facts(curve)
    ]
