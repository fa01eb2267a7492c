"""Files to documents, each read in a limited child process; a bad file fails alone, with its reason."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from edgellm.decoding import from_json
from edgellm.errors import ParseFailed
from edgellm.limited import Ended, Limits, run_limited
from edgellm.paths import as_text
from edgellm.retrieval.parse.child import OUT_OF_MEMORY, Answer
from edgellm.retrieval.parse.clock import MOST_TIMES
from edgellm.retrieval.values import Document
from edgellm.sizes import size

LIMITS = Limits(memory_bytes=1024**3, wall_s=20, output_bytes=96 * 1024**2)
"""For one file: memory, time (more for large files), and the document that is handed back."""
BATCH_FILES = 64
BATCH_BYTES = 2 * 1024**2
"""One child reads so many files or bytes: to start it takes as long as to read ten small files."""


def parse_file(path: str | Path, limits: Limits = LIMITS) -> Document:
    """The document in a file.

    Raises: ParseFailed with the reason, whatever the file holds and whatever reading it does to the child.
    """
    answer = next(parse_files([path], limits))
    if isinstance(answer, ParseFailed):
        raise answer
    return answer


def parse_files(paths: Sequence[str | Path], limits: Limits = LIMITS) -> Iterator[Document | ParseFailed]:
    """The document of each file, in order, or why there is none; several files share a child.

    A file at which the child ends is read again by a fresh one, so that no file fails for what was left by another.
    """
    waiting = list(paths)
    while waiting:
        answers = _read_some(waiting[: _batch(waiting)], limits)
        yield from answers
        waiting = waiting[len(answers) :]


def _batch(paths: Sequence[str | Path]) -> int:
    """How many of the paths one child reads; at least one."""
    total = 0
    for at, path in enumerate(paths[:BATCH_FILES]):
        with suppress(OSError, ValueError):  # the child says what is wrong with it
            total += os.stat(path).st_size
        if total > BATCH_BYTES:
            return max(1, at)
    return min(len(paths), BATCH_FILES)


def _read_some(paths: Sequence[str | Path], limits: Limits) -> list[Document | ParseFailed]:
    """Answers for the first of the paths, one at least."""
    names = [os.fsencode(os.path.abspath(path)).hex() for path in paths]
    numbers = (str(limits.wall_s), str(limits.output_bytes))
    command = [sys.executable, "-P", "-W", "ignore", "-m", "edgellm.retrieval.parse.child", *numbers, *names]
    longest_s = len(paths) * MOST_TIMES * limits.wall_s  # the child ends itself long before
    whole = Limits(memory_bytes=limits.memory_bytes, wall_s=longest_s, output_bytes=limits.output_bytes)
    ended = run_limited(command, whole, os.environ)
    found: list[Document | ParseFailed] = []
    for path, line in zip(paths, _lines(ended), strict=False):
        answer = from_json(line, type=Answer)
        found.append(answer.document or failed(path, answer.reason or "it holds nothing", may_pass=answer.may_pass))
    is_late = ended.signal_name == "SIGALRM" and len(found) < len(paths)
    if is_late or not found:
        found.append(failed(paths[len(found)], _how(ended, limits), may_pass=ended.exit_code != OUT_OF_MEMORY))
    return found


def _lines(ended: Ended) -> list[str]:
    """The whole lines that the child wrote."""
    return ended.stdout.split("\n")[:-1]


def failed(path: str | Path, reason: str, *, may_pass: bool = False) -> ParseFailed:
    """The error for a file that cannot be read; `may_pass`: at another time, or with more installed, it might be."""
    message = f"{as_text(path)}: {reason}."
    return ParseFailed(message, path=as_text(path), reason=reason, may_pass=may_pass)


def _how(ended: Ended, limits: Limits) -> str:
    """Why a child that ended in the middle of a file did."""
    if ended.signal_name == "SIGALRM":
        return f"reading it took more than {limits.wall_s} s"
    if ended.exit_code == OUT_OF_MEMORY:
        return f"reading it needs more than {size(limits.memory_bytes)} of memory"
    if ended.signal_name:
        return f"reading it crashed the reader ({ended.signal_name})"
    last = ended.stderr.strip().splitlines()[-1:]
    return f"the reader ended with exit code {ended.exit_code}" + (f": {last[0]}" if last else "")
