"""Predicted against measured memory and decode speed of a real worker.

For each context size a worker opens the model, reads a prompt of more than one full batch and writes some tokens; then
its resident memory (mapped weights included) and its decode rate are compared with the arithmetic. The KV cache counts
in full, since llama.cpp clears it when it opens the context.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from benchmarks import harness
from benchmarks.report import Limit, Report
from edgellm.engine.config import EngineConfig
from edgellm.engine.supervisor import Worker
from edgellm.gguf_header import read_header
from edgellm.hub.fit import fit, shape_from_header
from edgellm.hub.hardware import Hardware, probe
from edgellm.types import Sampling

CONTEXTS = (2048, 8192)
PROMPT_TOKENS = 600
WRITTEN_TOKENS = 64


def run(options: harness.Options) -> Report:
    """The starter, or another model, at two context sizes. Raises: MachineBusy."""
    hardware = probe(measure_bandwidth=True)
    contexts = CONTEXTS[:1] if options.is_trial else CONTEXTS
    cases = {arm(tokens): partial(compare, options.model, tokens, hardware) for tokens in contexts}
    return Report(
        name="Fit",
        what="Memory and decode speed as `edgellm models fit` predicts them, and of a real worker that has read a "
        "prompt and written an answer. `error` is the difference as a share of what was measured.",
        units={
            "predicted memory": "MiB",
            "memory": "MiB",
            "error": "%",
            "predicted decode": "tokens/s",
            "decode": "tokens/s",
        },
        arms=harness.take_turns(cases, options),
        limits=[
            Limit(path=f"memory predicted within ({arm(tokens)})", arm=arm(tokens), metric="error", floor=15, aim=15)
            for tokens in contexts
        ],
        is_trial=options.is_meaningless,
    )


def arm(context_tokens: int) -> str:
    """The name of one context size."""
    return f"{context_tokens // 1024}k context"


def compare(path: Path, context_tokens: int, hardware: Hardware, _round: int) -> dict[str, float]:
    """Let a real worker work, and compare."""
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
    found = {
        "predicted memory": predicted.total_bytes / 2**20,
        "memory": measured / 2**20,
        "error": abs(predicted.total_bytes / measured - 1) * 100,
        "decode": rate,
    }
    speed = predicted.decode_tokens_per_s
    return found if speed is None else {**found, "predicted decode": speed}


if __name__ == "__main__":
    sys.exit(harness.main_without_texts(run))
