"""`make bench`: every benchmark, one after the other."""

from __future__ import annotations

import subprocess
import sys

from scripts import readme_table

NAMES = ("single_stream", "eight_streams", "token_gap", "shared_prefix", "resume", "startup")
"""Benchmarks with targets; they share one command line."""


def main() -> int:
    """Run each benchmark in its own process; a failed one does not stop the rest. Returns the exit code."""
    failed = []
    for name in NAMES:
        print(f"== {name}", file=sys.stderr, flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]], check=False).returncode != 0:
            failed.append(name)
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
        return 1
    if "--trial" in sys.argv or "--allow-busy" in sys.argv:
        return 0
    return readme_table.main(["--write"])


if __name__ == "__main__":
    sys.exit(main())
