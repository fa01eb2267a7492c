"""What one step costs around llama_decode: filling the batch, sampling, traces, token masks."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import harness
from benchmarks.idle import wait_until_idle
from benchmarks.report import Report, Spread
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


Cost = tuple[str, list[float]]
"""An operation, and how many microseconds it took each time."""
REPEATS = 40
"""Times an operation is timed in each round."""


def run(options: harness.Options) -> Report:
    """Every operation of the llama.cpp backend many times, on one row of logits or one batch. Raises: MachineBusy."""
    if not options.is_meaningless:
        wait_until_idle()
    costs = measure(options.model, 3 if options.is_trial else REPEATS * options.rounds)
    return Report(
        name="Backend",
        what="Microseconds of one operation, for one row of logits or one batch, on one thread.",
        units={"time": "us"},
        arms={name: {"time": Spread(tuple(times))} for name, times in costs},
        is_trial=options.is_meaningless,
    )


def timed_us(operation: Callable[[], object]) -> float:
    """Microseconds of one call."""
    started = time.perf_counter()
    operation()
    return (time.perf_counter() - started) * 1e6


def cost(name: str, operation: Callable[[], object], rounds: int) -> Cost:
    """Time `operation` `rounds` times."""
    return name, [timed_us(operation) for _ in range(rounds)]


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
            masks.append(timed_us(rule.allowed))
            moves.append(timed_us(lambda rule=rule, token=token: rule.accept(token)))  # type: ignore[misc]
    yield "mask: allowed tokens", masks
    yield "mask: move on by a token", moves


def measure(path: Path, rounds: int) -> list[Cost]:
    """All costs on one model."""
    backend = LlamaBackend(EngineConfig(model_path=str(path), context_tokens=1024, threads=1))
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


if __name__ == "__main__":
    sys.exit(harness.main_without_texts(run))
