"""`make bench`: every benchmark, one after the other."""

from __future__ import annotations

import subprocess
import sys

from scripts import readme_table

NAMES = ("single_stream", "eight_streams", "token_gap", "shared_prefix", "resume", "startup", "store_speed")
"""They share one command line and keep their results."""
MORE = ("first_paint", "backend_costs", "fit_accuracy")
"""They have their own options and only print; a trial leaves them out."""


def main() -> int:
    """Run each benchmark in its own process; a failed one does not stop the rest. Returns the exit code."""
    is_trial = "--trial" in sys.argv
    commands = [[f"benchmarks.{name}", *sys.argv[1:]] for name in NAMES]
    commands += [] if is_trial else [[f"benchmarks.{name}"] for name in MORE]
    failed = [command[0] for command in commands if not _succeeds(command)]
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
        return 1
    return 0 if is_trial or "--allow-busy" in sys.argv else readme_table.main(["--write"])


def _succeeds(command: list[str]) -> bool:
    print(f"== {command[0]}", file=sys.stderr, flush=True)
    return subprocess.run([sys.executable, "-m", *command], check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
