"""Where the process begins: until the command is loaded, Ctrl+C ends it as quietly as later."""

from __future__ import annotations

import sys
from collections.abc import Sequence

INTERRUPTED = 130
"""`Code.INTERRUPTED`, which is not loaded yet."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code; never lets an exception out."""
    try:
        from edgellm.cli.command import run_process  # deferred: Ctrl+C may come while click is imported

        return run_process(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return INTERRUPTED
