"""What the work of a job is given, and how it is asked to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgellm.events import JobEvent
from edgellm.paths import Home

Emit = Callable[[JobEvent], None]


@dataclass(frozen=True, slots=True)
class Work:
    """What a kind's function is given."""

    home: Home
    folder: Path
    """The job's own; what it keeps there serves a later attempt."""
    arguments: Mapping[str, Any]
    emit: Emit
    """Takes Started, Progressed and Measured; the runner writes the final event."""


class CancelRequested(BaseException):
    """SIGTERM arrived; not an Exception, so that no handler in the work takes it for a failure."""
