"""The longest token gap: four clients read answers while three long prompts arrive."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import clients, harness
from benchmarks.arms.base import Arm, ArmConfig, Ask
from benchmarks.arms.servers import LlamaServer
from benchmarks.arms.worker import WorkerArm
from benchmarks.report import Report, Target
from benchmarks.texts import Texts

SMALL_BATCH = "llama-server -b 32"
TARGETS = (
    Target(path="longest token gap", metric="gap", against="llama-server", floor=10, aim=None, is_lower_better=True),
    Target(path="longest token gap", metric="gap", against=SMALL_BATCH, floor=None, aim=1.0, is_lower_better=True),
    Target(
        path="the same, throughput", metric="wall", against="llama-server", floor=0.97, aim=1.0, is_lower_better=True
    ),
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much work one round is."""

    readers: int = 4
    reader_tokens: int = 256
    long_prompts: int = 3
    long_tokens: int = 1200
    long_answer_tokens: int = 16
    head_start: int = 8
    """Pieces every reader has before the long prompts arrive."""


TINY = Sizes(readers=2, reader_tokens=24, long_prompts=1, long_tokens=64, long_answer_tokens=4, head_start=2)


def run(options: harness.Options, texts: Texts) -> Report:
    """Four clients are reading answers when three prompts of 1,200 tokens arrive together."""
    sizes = TINY if options.is_trial else Sizes()
    config = options.arm_config(context_tokens=8192, parallel=8)
    arms, skipped = _arms(options, config)

    def trial(arm: Arm, number: int) -> Mapping[str, float]:
        salts = iter(range(number * 10, number * 10 + 10))
        reading = [_ask(texts, 24, next(salts), sizes.reader_tokens) for _ in range(sizes.readers)]
        late = [
            _ask(texts, sizes.long_tokens, next(salts), sizes.long_answer_tokens) for _ in range(sizes.long_prompts)
        ]
        served, served_late = clients.serve_while_decoding(arm, reading, late, sizes.head_start)
        arrived = min(done.asked_at for done in served_late)
        first = max(done.first_at - done.asked_at for done in served_late)
        gap = clients.longest_gap_s(served, since=arrived)
        return {"gap": gap, "wall": clients.wall_s([*served, *served_late]), "last first token": first}

    return Report(
        name="Longest token gap",
        what=f"{sizes.readers} clients read answers of {sizes.reader_tokens} tokens; {sizes.long_prompts} prompts of "
        f"{sizes.long_tokens} tokens arrive together. `gap` is the longest wait of a reader for its next piece.",
        units={"gap": "s", "wall": "s", "last first token": "s"},
        arms=harness.measure(arms, trial, options),
        targets=TARGETS,
        skipped=skipped,
        is_trial=options.is_meaningless,
    )


def _ask(texts: Texts, prompt_tokens: int, salt: int, answer_tokens: int) -> Ask:
    return Ask(prompt=texts.prompt(prompt_tokens, salt), max_tokens=answer_tokens)


def _arms(options: harness.Options, config: ArmConfig) -> tuple[list[Arm], list[str]]:
    ours = WorkerArm(config)
    if options.llama_server is None:
        return [ours], ["llama-server: no path given (--llama-server PATH or LLAMA_SERVER; see docs/benchmarks.md)."]
    rivals = [
        LlamaServer(config, options.llama_server),
        LlamaServer(config, options.llama_server, name=SMALL_BATCH, extra=("-b", "32", "-ub", "32")),
    ]
    return [ours, *rivals], []


if __name__ == "__main__":
    sys.exit(harness.main(run))
