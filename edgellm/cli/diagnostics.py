"""Everything on standard error: notes, progress, and what went wrong, with its exit code.

What an exit code means is one table, `MEANINGS`; which error gets which is one table, `BY_TYPE`.
"""

from __future__ import annotations

import errno
from enum import IntEnum
from typing import TYPE_CHECKING

from edgellm import errors
from edgellm.cli.channel import Channel, harmless
from edgellm.cli.style import bad, bold, dim, shorten, warn

if TYPE_CHECKING:
    from pathlib import Path


class Code(IntEnum):
    """How the command ended."""

    DONE = 0
    ANSWER_IS_NO = 1
    USAGE = 2
    INVALID_INPUT = 3
    NOT_FOUND = 4
    MISSING_EXTRA = 5
    MODEL = 6
    ENGINE = 7
    DOWNLOAD = 8
    STORE = 9
    JOB = 10
    OTHER = 11
    FILE = 12
    SERVER = 13
    UNEXPECTED = 70
    HUNG_UP = 129
    INTERRUPTED = 130
    READER_GONE = 141
    TERMINATED = 143


class Stopped(BaseException):
    """A signal other than Ctrl+C ends the command."""

    def __init__(self, code: Code) -> None:
        super().__init__()
        self.code = code


MEANINGS: dict[Code, str] = {
    Code.DONE: "It worked.",
    Code.ANSWER_IS_NO: "The question was answered, and the answer is no: `doctor` found a failure, a model does not "
    "fit, a search found nothing, a candidate does not pass the gate.",
    Code.USAGE: "The command line itself is wrong: an unknown command or option, a missing argument.",
    Code.INVALID_INPUT: "A value is malformed or out of range: sampling, schema, settings, a prompt longer than the "
    "context.",
    Code.NOT_FOUND: "No model, session or job has this name.",
    Code.MISSING_EXTRA: "The feature needs an optional install; the message names it.",
    Code.MODEL: "A model file was refused, does not fit or cannot be opened.",
    Code.ENGINE: "The engine could not serve the request: queue full, time over, worker died.",
    Code.DOWNLOAD: "A download failed or was refused offline, or a model's bytes are not the promised ones.",
    Code.STORE: "The store is damaged, busy, from a newer EdgeLLM, or the disk is full.",
    Code.JOB: "A long work ended badly.",
    Code.OTHER: "Another error that EdgeLLM reports on purpose.",
    Code.FILE: "The operating system refused a file or folder.",
    Code.SERVER: "A server refused: no valid key, no right, or the budget is used up.",
    Code.UNEXPECTED: "A defect in EdgeLLM; the traceback is in the log file that the message names.",
    Code.HUNG_UP: "The terminal was closed (SIGHUP); as 130.",
    Code.INTERRUPTED: "Ctrl+C. What was answered so far has been written, and kept in its session.",
    Code.READER_GONE: "Whoever read the output stopped reading.",
    Code.TERMINATED: "Ended from outside (SIGTERM); as 130.",
}

BY_TYPE: dict[type[BaseException], Code] = {
    errors.InvalidInput: Code.INVALID_INPUT,
    errors.NotFound: Code.NOT_FOUND,
    errors.MissingExtra: Code.MISSING_EXTRA,
    errors.ModelError: Code.MODEL,
    errors.EngineError: Code.ENGINE,
    errors.DownloadError: Code.DOWNLOAD,
    errors.StoreError: Code.STORE,
    errors.JobError: Code.JOB,
    errors.ServingError: Code.SERVER,
    errors.GateClosed: Code.ANSWER_IS_NO,
    errors.EdgeLLMError: Code.OTHER,
    OSError: Code.FILE,
}

OPTIONS = {"name": "--name", "replace": "--replace", "columns": "--columns", "quant": "--quant", "out": "--out"}
"""How the command line takes what an error's remedy asks for."""

EXHAUSTED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What the machine has run out of: no defect of ours, even where no file is named."""


def code_of(error: BaseException) -> Code:
    """The exit code for an error, by its most specific type; an OSError counts when the machine is to blame."""
    if isinstance(error, OSError) and error.filename is None and error.errno not in EXHAUSTED:
        return Code.UNEXPECTED
    for kind in type(error).__mro__:
        if kind in BY_TYPE:
            return BY_TYPE[kind]
    return Code.UNEXPECTED


def with_option(hint: str, remedy: str) -> str:
    """The hint, and the option by which it is followed if there is one."""
    return f"{hint.rstrip('.')} ({OPTIONS[remedy]})." if remedy in OPTIONS else hint


class Diagnostics(Channel):
    """Standard error: talk that is not the result."""

    _drawing = False

    def note(self, text: str) -> None:
        """Something worth knowing."""
        self.clear_status()
        self.line(dim(text))

    def warn(self, text: str) -> None:
        """Something to look at."""
        self.clear_status()
        self.line(warn("warning: "), text)

    def ask(self, question: str) -> None:
        """A question whose answer is typed on the same line."""
        self.clear_status()
        self.write(f"{harmless(question)} [y/N] ")

    def status(self, text: str) -> None:
        """What is going on at this moment; drawn over by the next one, and only on a terminal."""
        if self.has_cursor:
            self._drawing = True
            self.write("\r" + self.paint(shorten(harmless(text), self.columns() - 1), "dim") + "\x1b[K")

    def clear_status(self) -> None:
        """Take the status line away."""
        if self._drawing:
            self._drawing = False
            self.write("\r\x1b[K")

    def usage_error(self, command: str, message: str, hint: str = "") -> Code:
        """The command line was not understood. Returns the exit code."""
        self.line(bad("error: "), message)
        self.line(dim("hint:  "), hint or f"see `{command} --help`")
        return Code.USAGE

    def report(self, error: BaseException, log: Path) -> Code:
        """Tell what went wrong; a defect's traceback goes to `log`. Returns the exit code."""
        self.clear_status()
        code = code_of(error)
        if code is Code.UNEXPECTED:
            self._report_defect(error, log)
        elif isinstance(error, errors.EdgeLLMError):
            self._report_known(error)
        elif isinstance(error, OSError):
            what = "the machine refuses" if error.filename is None else f"cannot use {str(error.filename)!r}"
            self.line(bad("error: "), f"{what}: {error.strerror}")
            if isinstance(error, NotADirectoryError | FileExistsError | PermissionError) and _is_ours(error, log):
                self.line(dim("hint:  "), "EdgeLLM keeps its files below --home or EDGELLM_HOME: is that a folder?")
        return code

    def _report_known(self, error: errors.EdgeLLMError) -> None:
        if isinstance(error, errors.MissingExtra):  # promised to be one line
            self.line(bad("error: "), str(error))
            return
        self.line(bad("error: "), error.message)
        if error.hint:
            self.line(dim("hint:  "), with_option(error.hint, str(error.facts.get("remedy", ""))))

    def _report_defect(self, error: BaseException, log: Path) -> None:
        self.line(bad("error: "), "EdgeLLM ran into a defect: ", bold(f"{type(error).__name__}: {error}"))
        try:
            append_traceback(error, log)
        except OSError as refusal:
            self.line(dim("hint:  "), f"the traceback could not be written to {str(log)!r}: {refusal.strerror}")
            return
        self.line(dim("hint:  "), f"the traceback is in {log}; please report it")


def _is_ours(error: OSError, log: Path) -> bool:
    """Whether the file is one of EdgeLLM's own, not one that the user named: `log` is HOME/data/logs/FILE."""
    home = log.parent.parent.parent
    file = type(log)(str(error.filename)).absolute()
    return home == file or home in file.parents


def append_traceback(error: BaseException, log: Path) -> None:
    """Add the traceback to the private file `log`."""
    import os  # deferred, all of them: only a defect needs them
    import time
    import traceback

    from edgellm.paths import PRIVATE_FILE, private_dir

    private_dir(log.parent)
    lines = traceback.format_exception(error)
    stamp = time.strftime("%Y-%m-%d %H:%M:%S %z")
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
    with os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace") as handle:
        handle.write(f"{stamp}\n{''.join(lines)}\n")
