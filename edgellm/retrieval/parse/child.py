"""The limited process that reads documents: `child.py WALL_S OUTPUT_BYTES PATH...`, paths in hexadecimal.

Each file has `WALL_S` seconds, and more when it is large. For each file, in order, a line of JSON goes to standard
output; the process stops early, with success, when the next answer would be too much output. Every library that reads a
format is imported here only.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from edgellm.data.detect import opened
from edgellm.errors import DataRejected
from edgellm.retrieval.parse.build import Builder, clean_line
from edgellm.retrieval.parse.clock import Clock
from edgellm.retrieval.parse.decode import declared_encoding, decoded
from edgellm.retrieval.parse.kinds import HEAD_BYTES, TEXT_KINDS, kind_of
from edgellm.retrieval.parse.refusal import NotInstalled, Refused
from edgellm.retrieval.values import Document
from edgellm.sizes import size

OUT_OF_MEMORY = 9
"""The exit code that says so."""
LONGEST_REASON = 500
TEXT_FILE_LIMIT_BYTES = 64 * 1024**2
FILE_LIMIT_BYTES = 512 * 1024**2
_NEEDLESS = ("numpy", "lxml", "PIL")
"""What openpyxl and pypdf would load if it is there, for nothing that is read here; it takes time and address space."""


class Answer(msgspec.Struct, omit_defaults=True):
    """What became of one file: its document, or the reason why there is none."""

    document: Document | None = None
    reason: str | None = None
    may_pass: bool = False
    """Whether it can be read once something is installed."""


def main(arguments: Sequence[str]) -> None:
    """Read the files and write the answers."""
    wall_s, output_bytes = int(arguments[0]), int(arguments[1])
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    logging.disable()
    for optional in _NEEDLESS:
        sys.modules.setdefault(optional, None)  # type: ignore[arg-type]  # the way to say "not installed"
    for path in arguments[2:]:
        line = _answered(bytes.fromhex(path), wall_s, output_bytes)
        if answers.tell() + len(line) > output_bytes:
            break
        answers.write(line)
        answers.flush()


def _answered(name: bytes, wall_s: int, output_bytes: int) -> bytes:
    """The line for one file."""
    try:
        answer = Answer(document=_document(os.fsdecode(name), wall_s))
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # nothing that needs memory can be done now
    except Refused as error:
        answer = Answer(reason=clean_line(str(error))[:LONGEST_REASON], may_pass=isinstance(error, NotInstalled))
    except RecursionError:
        answer = Answer(reason="its parts are nested too deeply")
    except Exception as error:  # a parser met what its authors did not think of: the reason is handed on
        answer = Answer(reason=clean_line(f"the reader failed: {type(error).__name__}: {error}")[:LONGEST_REASON])
    line = msgspec.json.encode(answer) + b"\n"
    if len(line) > output_bytes:
        line = msgspec.json.encode(Answer(reason=f"what it holds takes more than {size(output_bytes)}")) + b"\n"
    return line


def _document(name: str, wall_s: int) -> Document:
    """Raises: Refused, and whatever the reader of its format raises."""
    if os.path.isdir(name):
        raise Refused("it is a folder")
    try:
        with opened(Path(name), name) as handle:
            length = os.fstat(handle.fileno()).st_size
            return _parsed(handle, name, length, Clock(wall_s, length))
    except DataRejected as error:
        raise Refused(error.message.removeprefix(f"{name}: ").rstrip(".")) from error


def _parsed(handle: BinaryIO, name: str, length: int, clock: Clock) -> Document:
    if not length:
        raise Refused("the file is empty")
    _refuse_large(length, FILE_LIMIT_BYTES, "it")
    kind, notice = kind_of(handle.read(HEAD_BYTES), os.path.basename(name), handle)
    builder = Builder(kind)
    if notice:
        builder.notice(notice)
    handle.seek(0)
    try:
        if kind in TEXT_KINDS:
            _refuse_large(length, TEXT_FILE_LIMIT_BYTES, f"its {kind}")
            _read_text(handle.read(TEXT_FILE_LIMIT_BYTES), builder)
        else:
            _read_binary(handle, builder, clock)
    except ModuleNotFoundError as error:
        message = f"reading it needs {error.name}; install it with: pip install 'edgellm[docs]'"
        raise NotInstalled(message) from error
    return builder.document()


def _refuse_large(length: int, limit: int, what: str) -> None:
    if length > limit:
        raise Refused(f"{what} has {size(length)}; at most {size(limit)} are read")


def _read_binary(handle: BinaryIO, builder: Builder, clock: Clock) -> None:
    """The readers of formats that are no text; each is imported when it is needed."""
    if builder.kind == "pdf":
        from edgellm.retrieval.parse import pdf

        pdf.read(handle, builder, clock.page_read)
    elif builder.kind == "docx":
        from edgellm.retrieval.parse import word

        word.read(handle, builder)
    elif builder.kind == "pptx":
        from edgellm.retrieval.parse import slides

        slides.read(handle, builder)
    else:
        from edgellm.retrieval.parse import sheets

        sheets.read(handle, builder)


def _read_text(data: bytes, builder: Builder) -> None:
    """The readers of formats that are text."""
    if builder.kind == "email":
        from edgellm.retrieval.parse import mail

        mail.read(data, builder)
        return
    text, notice = decoded(data, declared_encoding(data) if builder.kind == "html" else None)
    if notice:
        builder.notice(notice)
    if builder.kind == "html":
        from edgellm.retrieval.parse import html

        html.read(text, builder)
    elif builder.kind == "markdown":
        from edgellm.retrieval.parse import markdown

        markdown.read(text, builder)
    elif builder.kind == "csv":
        from edgellm.retrieval.parse import tables

        tables.read(text, builder)
    else:
        from edgellm.retrieval.parse import plain

        {"code": plain.read_code, "log": plain.read_log}.get(builder.kind, plain.read_text)(text, builder)


if __name__ == "__main__":
    main(sys.argv[1:])
