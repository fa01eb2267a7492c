"""Eight streams: what continuous batching gives eight clients at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks import clients, harness
from benchmarks.arms.base import Arm, ArmConfig, ArmFailed, Ask
from benchmarks.report import Report, Target
from benchmarks.texts import Texts

CLIENTS = 8
BATCHED_BENCH = "llama-batched-bench"
TARGETS = (
    Target(path="eight streams, decode", metric="decode", against="llama-server", floor=0.97, aim=1.0),
    Target(path="eight streams, decode", metric="decode", against=BATCHED_BENCH, floor=0.97, aim=1.0),
    Target(path="eight clients", metric="throughput", against="Llama behind a lock", floor=1.5, aim=2.0),
    Target(path="eight clients", metric="throughput", against="llama_cpp.server", floor=1.5, aim=2.0),
)


def run(options: harness.Options, texts: Texts) -> Report:
    """Eight clients at once, each with its own 32-token prompt and 128 tokens of answer."""
    prompt_tokens, answer_tokens = (16, 8) if options.is_trial else (32, 128)
    config = options.arm_config(context_tokens=4096, parallel=CLIENTS)
    arms, skipped = harness.choose_arms(options, config)

    def trial(arm: Arm, number: int) -> Mapping[str, float]:
        salts = range(number * CLIENTS, (number + 1) * CLIENTS)
        asks = [Ask(prompt=texts.prompt(prompt_tokens, salt), max_tokens=answer_tokens) for salt in salts]
        served = clients.serve_all(arm, asks)
        joint = clients.joint_decode_rate(served)
        return {"throughput": clients.throughput(served), **({"decode": joint} if joint else {})}

    bench = options.llama_server.with_name(BATCHED_BENCH) if options.llama_server else None
    others = {BATCHED_BENCH: batched_bench(bench, config, answer_tokens)} if bench and bench.exists() else {}
    return Report(
        name="Eight streams",
        what=f"{CLIENTS} clients at once, prompts of {prompt_tokens} tokens, {answer_tokens} tokens of answer each. "
        "`decode` counts while all are decoding, `throughput` over the whole time.",
        units={"decode": "tokens/s", "throughput": "tokens/s"},
        arms=harness.measure(arms, trial, options, others),
        targets=TARGETS,
        skipped=skipped,
        settings={"clients": CLIENTS, "prompt_tokens": prompt_tokens, "answer_tokens": answer_tokens},
        is_trial=options.is_meaningless,
    )


def batched_bench(binary: Path, config: ArmConfig, answer_tokens: int) -> harness.Case:
    """Tokens a second of llama.cpp's own batched decoding, without server or sampling."""
    sizes = ["-c", str(config.context_tokens), "-t", str(config.threads), "-kvu"]
    work = ["-npp", "32", "-ntg", str(answer_tokens), "-npl", str(CLIENTS), "--output-format", "jsonl"]
    command = [str(binary), "-m", str(config.model), *sizes, *work]
    return lambda _round: {"decode": _speed(command)}


def _speed(command: list[str]) -> float:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        raise ArmFailed(f"{BATCHED_BENCH} ended with {done.returncode}: {done.stderr[-500:]}")
    return float(json.loads(lines[-1])["speed_tg"])


if __name__ == "__main__":
    sys.exit(harness.main(run))
