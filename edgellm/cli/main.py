"""Where the process begins: from the first import on, Ctrl+C ends it as quietly as later."""

from __future__ import annotations

import gc
import sys

TYPE_CHECKING = False  # this module loads nothing that Python has not loaded: a Ctrl+C meanwhile would be a traceback
if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
"""`Code.INTERRUPTED`, which is not loaded yet."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code; never lets an exception out."""
    try:
        # What is loaded here stays: searching it for garbage, now and when Python ends, costs 10 ms.
        gc.disable()
        from edgellm.cli.command import run_process  # deferred: Ctrl+C may come while click is imported

        gc.freeze()
        gc.enable()
        return run_process(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return INTERRUPTED
