"""Measures memory bandwidth in a short child process: `python -m edgellm.hub.bandwidth_child`.

Prints bytes a second. It sums a block larger than any cache, on one thread a core, since reading is what decoding does.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

BLOCK_BYTES = 64 * 1024**2
BUDGET_S = 0.25


def measure(threads: int) -> float:
    """Bytes read a second by `threads` threads together, the best of the passes that fit the time budget."""
    blocks = [np.ones(BLOCK_BYTES // 8, dtype=np.int64) for _ in range(threads)]
    best, end = 0.0, time.perf_counter() + BUDGET_S
    with ThreadPoolExecutor(threads) as pool:
        while best == 0.0 or time.perf_counter() < end:
            start = time.perf_counter()
            list(pool.map(np.max, blocks))
            best = max(best, threads * BLOCK_BYTES / (time.perf_counter() - start))
    return best


def main() -> None:
    """Measure with the number of threads given, or one a core (at most eight)."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else min(8, os.cpu_count() or 1)
    sys.stdout.write(f"{measure(threads):.0f}\n")


if __name__ == "__main__":
    main()
