"""`make bench`: every benchmark, one after the other."""

from __future__ import annotations

import subprocess
import sys

from scripts import readme_table

NAMES = (
    "single_stream",
    "eight_streams",
    "serving",
    "token_gap",
    "shared_prefix",
    "resume",
    "startup",
    "first_paint",
    "under_app",
    "store_speed",
    "embedding",
    "retrieval",
    "documents",
    "fit_accuracy",
    "backend_costs",
    "training",
    "after_training",
    "recipe",
    "loop",
)


def main() -> int:
    """Run each benchmark in its own process; a failed one does not stop the rest. Returns the exit code."""
    is_trial = "--trial" in sys.argv
    failed = [name for name in NAMES if not _succeeds([f"benchmarks.{name}", *sys.argv[1:]])]
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
        return 1
    return 0 if is_trial or "--allow-busy" in sys.argv else readme_table.main(["--write"])


def _succeeds(command: list[str]) -> bool:
    print(f"== {command[0]}", file=sys.stderr, flush=True)
    return subprocess.run([sys.executable, "-m", *command], check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
