"""Training runs as lines of a list, and their numbers in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.content import Content

from edgellm.events import Finished
from edgellm.safetext import clean_line
from edgellm.sizes import size
from edgellm_tui.curve import Curve
from edgellm_tui.render import meter

if TYPE_CHECKING:
    from edgellm.store.records import StoredJob

NAME_CELLS, BASE_CELLS, STATE_CELLS, LOSS_CELLS, AGE_CELLS = 19, 18, 10, 16, 8
_STATES: Mapping[str, tuple[str, str]] = {
    "queued": ("waits", "$foreground 70%"),
    "running": ("learns", "$primary"),
    "finished": ("learnt", "$text-success"),
    "failed": ("failed", "$text-error"),
    "cancelled": ("stopped", "$text-warning"),
}
RESUMABLE = ("failed", "cancelled")
Fact = tuple[str, str]
"""A value, and the words after it."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the list; all text but `base` and `model` is clean."""

    name: str
    """Id of the job."""
    adapter: str
    base: str
    """As the SDK calls it."""
    dataset: str
    state: str
    losses: str = ""
    """From the first to the last; empty until it has finished."""
    model: str = ""
    """As the SDK calls base and adapter; empty until it has finished."""
    age: str = ""

    @property
    def is_active(self) -> bool:
        """Whether it waits or learns."""
        return self.state in ("queued", "running")

    @property
    def title(self) -> str:
        """What learns what from where."""
        return f"{clean_line(self.base)} learns {self.adapter} from {self.dataset}"

    def line(self) -> Content:
        """Name, base, state, losses, age: what `HEAD` names."""
        word, colour = _STATES.get(self.state, (self.state, "$foreground"))
        return Content.assemble(
            _cell(self.adapter, NAME_CELLS, "bold"),
            _cell(clean_line(self.base), BASE_CELLS, "$foreground 70%"),
            (f"{word:<{STATE_CELLS}}", colour),
            (f"{self.losses:<{LOSS_CELLS}}", "$foreground 85%"),
            (f"{self.age:>{AGE_CELLS}}", "$foreground 50%"),
        )


HEAD = Content.styled(
    f"{'Run':<{NAME_CELLS}}{'Base':<{BASE_CELLS}}{'State':<{STATE_CELLS}}{'Loss':<{LOSS_CELLS}}{'Begun':>{AGE_CELLS}}",
    "$foreground 55%",
)
"""Above the columns."""


def _cell(text: str, cells: int, look: str) -> Content:
    shown = Content.styled(text, look).truncate(cells - 1, ellipsis=True)
    return shown + Content(" " * (cells - shown.cell_length))


def run_row(job: StoredJob, now: float) -> RunRow:
    """A training job as a line; `now` in seconds since the epoch."""
    result = job.result or {}
    return RunRow(
        name=job.id,
        adapter=clean_line(str(job.arguments.get("name", ""))),
        base=str(job.arguments.get("base", "")),
        dataset=clean_line(str(job.arguments.get("dataset", ""))),
        state=str(job.state),
        losses=_losses(result.get("losses") or {}),
        model=str(result.get("model", "")),
        age=meter.ago(now - job.created_at),
    )


def _losses(losses: Mapping[str, Any]) -> str:
    ends = [losses.get("first"), losses.get("last")]
    return " → ".join(loss_text(value) for value in ends if isinstance(value, int | float))


def loss_text(loss: float) -> str:
    """Three digits that matter: `4.12`, `0.031`."""
    return f"{loss:.2f}" if loss >= 1 else f"{loss:.3f}"


def left_out(result: Mapping[str, Any]) -> str:
    """How many rows of a plan or a run teach nothing, and why the first of them does not; empty where all do."""
    rows = result.get("left_out_rows", 0)  # results from before this was kept say nothing of it
    words = "1 row teaches" if rows == 1 else f"{rows:,} rows teach"
    return f"{words} nothing. The first: {clean_line(str(result['left_out_why']))}" if rows else ""


def facts(curve: Curve) -> list[Fact]:
    """The newest numbers, those that are known; at the end what the whole run took."""
    result = curve.ending.result if isinstance(curve.ending, Finished) else {}
    speed = result.get("tokens_per_s") or curve.tokens_per_s
    known = (
        (curve.done and curve.total, f"{curve.done:,.0f} of {curve.total:,.0f}", clean_line(curve.unit)),
        (speed, f"{speed:,.0f}", "tokens/s"),
        (curve.peak_memory_bytes, size(curve.peak_memory_bytes), "at the peak"),
        (curve.left_s, meter.seconds(curve.left_s), "left"),
        ("train_s" in result, meter.seconds(result.get("train_s", 0.0)), "in all"),
    )
    return [(value, words) for is_known, value, words in known if is_known]
