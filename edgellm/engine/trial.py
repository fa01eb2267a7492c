"""A child process that opens a model, or runs one real decode, and may die of it.

    python -m edgellm.engine.trial open|decode PATH [--gpu-layers N]

Prints one JSON object: `ok`, `llama_cpp_version`, `system_info`, `device`, then `load_s` (and `decode_s`), or `message`
(what went wrong, in llama.cpp's own words) and `detail` (what to do). Exit code 0 or 1. Death by a signal is a verdict
too, the caller's to explain: SIGILL means that llama.cpp was built for another processor, SIGABRT that it met bad data.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from edgellm.engine.backend import Span
from edgellm.engine.config import EngineConfig
from edgellm.errors import EdgeLLMError, Fact

TRIAL_CONTEXT_TOKENS = 256


def trial_config(path: str, gpu_layers: int | None) -> EngineConfig:
    """The smallest engine: one sequence, one small context."""
    return EngineConfig(
        model_path=path,
        context_tokens=TRIAL_CONTEXT_TOKENS,
        max_running=1,
        max_parked=0,
        threads=1,
        gpu_layers=gpu_layers,
    )


def open_file(config: EngineConfig) -> dict[str, Fact]:
    """Open weights and vocabulary and build a context. Returns: `load_s`. Raises: ModelError."""
    from edgellm.engine.llama import opening
    from edgellm.engine.llama.library import lib

    started = time.perf_counter()
    model = opening.load_model(config)
    try:
        lib.llama_free(opening.open_context(model, config))
    finally:
        lib.llama_model_free(model)
    return {"load_s": round(time.perf_counter() - started, 4)}


def decode_once(config: EngineConfig) -> dict[str, Fact]:
    """Open the model for text generation and compute one token. Returns: `load_s`, `decode_s`. Raises: EdgeLLMError."""
    from edgellm.engine.llama.backend import LlamaBackend

    started = time.perf_counter()
    backend = LlamaBackend(config)
    opened = time.perf_counter()
    try:
        backend.run([Span(0, 0, [0], wants_logits=True)], None)
    finally:
        backend.close()
    return {"load_s": round(opened - started, 4), "decode_s": round(time.perf_counter() - opened, 4)}


def facts(config: EngineConfig) -> dict[str, Fact]:
    """What was built and what would compute."""
    from edgellm.engine.llama import library, opening

    return {
        "llama_cpp_version": library.version(),
        "system_info": library.system_info().strip(" |"),
        "device": library.device(opening.gpu_layers(config)),
    }


def complaint(error: EdgeLLMError) -> dict[str, Fact]:
    """An error as the printed object carries it."""
    return {"ok": False, "error": type(error).__name__, "message": error.message, "detail": error.hint}


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, try, print. Returns: the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m edgellm.engine.trial", description="Try llama.cpp on a model file."
    )
    parser.add_argument("what", choices=["open", "decode"])
    parser.add_argument("path")
    parser.add_argument("--gpu-layers", type=int, default=None, help="layers on the GPU; all when there is one")
    chosen = parser.parse_args(arguments)
    config = trial_config(chosen.path, chosen.gpu_layers)
    answer = facts(config)
    try:
        attempt = decode_once if chosen.what == "decode" else open_file
        answer = {"ok": True, **answer, **attempt(config)}
    except EdgeLLMError as error:
        answer = {**answer, **complaint(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0 if answer["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
