"""Where a prompt comes from: the argument, standard input, or both."""

from __future__ import annotations

import os
import select
import stat
from typing import TextIO

from edgellm.cli.diagnostics import Diagnostics
from edgellm.errors import InvalidInput

LIMIT_BYTES = 16 * 1024**2
PATIENCE_S = 2.0


def read_prompt(argument: str | None, stdin: TextIO, err: Diagnostics) -> str:
    """The argument, what is piped in, or both with an empty line between them.

    Raises: InvalidInput when there is none, or it is not UTF-8, or larger than `LIMIT_BYTES`.
    """
    piped = "" if stdin.isatty() else _read_all(stdin, err, is_needed=argument is None)
    parts = [part for part in (argument, piped.rstrip("\n")) if part and part.strip()]
    if not parts:
        is_silent = argument is None and not stdin.isatty()
        raise InvalidInput(
            "There is no prompt: standard input is empty." if is_silent else "The prompt is empty.",
            hint='Give one as an argument, as in `edgellm chat "Name three rivers."`, or pipe one in.',
            field="prompt",
        )
    return checked_text("\n\n".join(parts), "The prompt")


def _read_all(stdin: TextIO, err: Diagnostics, *, is_needed: bool) -> str:
    if not is_needed and not _has_content(stdin):
        return ""
    _say_if_waiting(stdin, err)
    data = stdin.buffer.read(LIMIT_BYTES + 1)
    if len(data) > LIMIT_BYTES:
        raise InvalidInput(f"Standard input holds more than {LIMIT_BYTES // 1024**2} MiB.", field="prompt")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"Standard input is not UTF-8 text: byte {error.start} is 0x{data[error.start]:02x}.",
            hint="Convert it first, for example with `iconv -t UTF-8`.",
            field="prompt",
        ) from None


def _has_content(stdin: TextIO) -> bool:
    """Whether something was connected on purpose: a pipe or a file, but no idle device or socket."""
    mode = os.fstat(stdin.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def _say_if_waiting(stdin: TextIO, err: Diagnostics) -> None:
    ready, _, _ = select.select([stdin.fileno()], [], [], PATIENCE_S)
    if not ready:
        err.note("waiting for the end of standard input; start with `< /dev/null` if there is none")


def checked_text(text: str, what: str) -> str:
    """The text itself. Raises: InvalidInput for words of the command line that are no text."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{what} is not UTF-8 text: character {error.start} is {text[error.start]!r}.") from None
    return text
