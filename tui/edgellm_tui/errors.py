"""How an error is told to the reader, by its type."""

from __future__ import annotations

from edgellm import errors
from edgellm.safetext import clean_line

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
    return clean_line(str(error)) or title(error)


def report(error: errors.EdgeLLMError) -> str:
    """What happened, the message and what to do next, on one line."""
    return f"{title(error)}: {explain(error)}"
