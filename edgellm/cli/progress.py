"""Long work while it happens: one line with a bar, the rate and the time left."""

from __future__ import annotations

from edgellm.cli.diagnostics import Diagnostics
from edgellm.cli.units import clock
from edgellm.events import Cancelled, Failed, Finished, JobEvent, Progressed, Sampled, Started
from edgellm.safetext import clean_line
from edgellm.sizes import amount, pace

FILLED, PARTS = "█", " ▏▎▍▌▋▊▉"


class ProgressLine:
    """Draws events on standard error: over and over on a terminal, beginning and end elsewhere."""

    def __init__(self, err: Diagnostics) -> None:
        self._err = err
        self._title = ""
        self._unit = ""
        self._total: float | None = None

    def __call__(self, event: JobEvent) -> None:
        """Show one event."""
        if isinstance(event, Started):
            self._title, self._unit, self._total = event.title, event.unit, event.total
            if not self._err.has_cursor:
                self._err.note(event.title)
            if event.note:
                self._err.note(event.note)
        elif isinstance(event, Progressed):
            self._total = event.total or self._total
            self._err.status(progress_line(self._title, event, self._total, self._unit, self._err.width or 80))
        elif isinstance(event, Sampled):
            self._err.note(f"step {event.step}: {clean_line(event.question)} {clean_line(event.text)}")
        elif isinstance(event, Finished | Failed | Cancelled):
            self._err.clear_status()


def progress_line(title: str, event: Progressed, total: float | None, unit: str, width: int) -> str:
    """`smollm2  ███████▌░░░░  37%  51.2 MB of 138 MB  12.0 MB/s  0:07 left`, cut to what the width allows."""
    facts = [_amount(event.done, total, unit)]
    if event.rate:
        facts.append(pace(event.rate, unit))
    if event.left_s is not None:
        facts.append(f"{clock(event.left_s)} left")
    if event.note:
        facts.append(event.note)
    text = "  ".join(facts)
    if not total:
        return f"{title}  {text}"
    share = min(1.0, event.done / total)
    room = width - len(title) - len(text) - 13
    drawn = f"  {bar(share, min(room, 30))}" if room >= 8 else ""
    return f"{title}{drawn} {share:4.0%}  {text}"


def bar(share: float, width: int) -> str:
    """A bar of `width` columns, filled to an eighth of a column."""
    eighths = round(share * width * 8)
    whole, rest = divmod(eighths, 8)
    drawn = FILLED * whole + (PARTS[rest] if rest else "")
    return drawn.ljust(width, "░")


def _amount(done: float, total: float | None, unit: str) -> str:
    if not total:
        return amount(done, unit)
    return f"{amount(done, unit)} of {amount(total, unit)}"
