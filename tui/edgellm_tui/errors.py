"""How an error is told to the reader, by its type."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from edgellm import errors
from edgellm.safetext import clean_line
from edgellm_tui.wording import in_app

_TITLES: dict[type[errors.EdgeLLMError], str] = {
    errors.ContextOverflow: "Too long for the context",
    errors.DataRejected: "The data cannot be read",
    errors.InvalidInput: "That did not work",
    errors.NotFound: "Not found",
    errors.MissingExtra: "Something is not installed",
    errors.ModelDoesNotFit: "Not enough memory",
    errors.ModelError: "The model cannot be used",
    errors.QueueFull: "Too many requests",
    errors.DeadlineExceeded: "Out of time",
    errors.WorkerDied: "The model's process ended",
    errors.EngineError: "The engine could not answer",
    errors.OfflineRefused: "EdgeLLM is offline",
    errors.IntegrityError: "The download is damaged",
    errors.DownloadError: "The download failed",
    errors.DiskFull: "The disk is full",
    errors.StoreError: "The store could not do that",
    errors.JobError: "The job failed",
}


def title(error: errors.EdgeLLMError) -> str:
    """A few words that say what happened."""
    return next((_TITLES[kind] for kind in type(error).__mro__ if kind in _TITLES), "Something went wrong")


def explain(error: errors.EdgeLLMError) -> str:
    """The message and what to do next, clean and on one line."""
    if isinstance(error, errors.WorkerDied):
        return f"{clean_line(error.message)} What was written is kept; the next message starts it again."
    return in_app(str(error)) or title(error)


def report(error: errors.EdgeLLMError) -> str:
    """What happened, the message and what to do next, on one line."""
    return f"{title(error)}: {explain(error)}"


@contextmanager
def disk_errors_told() -> Iterator[None]:
    """An error of the disk that EdgeLLM does not name becomes one that every page can tell. Raises: EdgeLLMError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise errors.DiskFull("No space is left.", hint="Free some, and try again.") from error
        place = f"{str(error.filename)!r}: " if error.filename else ""
        hint = "See that the folder is there and that you may write to it."
        raise errors.EdgeLLMError(f"{place}{error.strerror or error}.", hint=hint) from error
