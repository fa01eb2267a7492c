"""Where the process begins: until the command is loaded, Ctrl+C ends it as quietly as later."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

INTERRUPTED = 130
"""`Code.INTERRUPTED`, which is not loaded yet."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code; never lets an exception out."""
    try:
        with _without_collecting():
            from edgellm.cli.command import run_process  # deferred: Ctrl+C may come while click is imported

        return run_process(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return INTERRUPTED


@contextmanager
def _without_collecting() -> Iterator[None]:
    """What is loaded in this block stays: searching it for garbage, now and when Python ends, costs 10 ms."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
