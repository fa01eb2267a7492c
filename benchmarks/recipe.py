"""Teaching with defaults: what the model knows afterwards, and what it still knows."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.arms.base import ArmFailed
from benchmarks.idle import wait_until_idle
from benchmarks.report import Limit, Report, Spread
from edgellm.engine.judge import Judge, compare
from edgellm.events import Finished
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.train.settings import settings_for
from edgellm.types import Message, Sampling

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "lighthouse"
FACT = Sampling(temperature=0, max_tokens=40)
GENERAL = Sampling(temperature=0, max_tokens=200)
TEXT_TOKENS = 1000
TRIAL_STEPS = 2
MOST_SEEDS = 3
"""Rounds at most: each takes seven minutes."""
NAME = "taught"
Measured = dict[str, float]


def run(options: harness.Options) -> Report:
    """`edgellm train run` with defaults on 60 rows of an invented domain; then what was learnt and what was kept."""
    rounds = [measured(options, seed) for seed in range(min(options.rounds, MOST_SEEDS))]
    return Report(
        name="Teaching",
        what="60 rows of an invented domain, default settings; each round has a seed and a home of its own. "
        "`not known`: held-out questions in other words whose answer lacks the fact; `further`: of 40 more, by which "
        "settings were chosen. `general answer`: mean length of "
        "the answers to 20 questions about anything else.",
        units={
            "not known": "%",
            "further": "%",
            "general answer": "words",
            "shorter": "%",
            "perplexity, risen": "%",
            "seconds": "s",
            "of them steps": "s",
        },
        arms={
            name: {metric: Spread(tuple(each[name][metric] for each in rounds)) for metric in rounds[0][name]}
            for name in rounds[0]
        },
        limits=[
            Limit(path="held-out questions not known", arm=NAME, metric="not known", floor=15, aim=15),
            Limit(path="perplexity of general text, risen", arm=NAME, metric="perplexity, risen", floor=10, aim=10),
            Limit(path="general answers, shorter", arm=NAME, metric="shorter", floor=10, aim=0),
            Limit(path="time of the whole run", arm=NAME, metric="seconds", floor=360, aim=360),
        ],
        is_trial=options.is_meaningless,
    )


def measured(options: harness.Options, seed: int) -> dict[str, Measured]:
    """One run and the questions after it: what was measured of the base and of what it was taught."""
    if not options.is_meaningless:
        wait_until_idle()
    with tempfile.TemporaryDirectory() as folder:
        base = str(options.model)
        with EdgeLLM(base, home=Path(folder) / "home", settings=Settings(context_tokens=2048)) as edge:
            began = time.monotonic()
            result = teach(edge, base, seed, is_trial=options.is_trial)
            spent_s = time.monotonic() - began
            arms = {"base": answers(edge, base), NAME: answers(edge, result["model"])}
        arms[NAME] |= {
            "seconds": spent_s,
            "of them steps": result["train_s"],
            "perplexity, risen": perplexity_rise(base, Path(result["path"]) / "adapter.gguf"),
            "shorter": 100 * (1 - arms[NAME]["general answer"] / arms["base"]["general answer"]),
        }
        print(f"seed {seed}: {arms[NAME]}", file=sys.stderr, flush=True)
    return arms


def teach(edge: EdgeLLM, base: str, seed: int, *, is_trial: bool) -> Mapping[str, Any]:
    """The result of a training job."""
    settings = settings_for("balanced", seed=seed, **({"steps": TRIAL_STEPS} if is_trial else {}))
    job = edge.training.start(EXAMPLES / "train.jsonl", base, NAME, settings)
    last = list(edge.jobs.follow(job.id))[-1]
    if not isinstance(last, Finished):
        raise ArmFailed(f"The training job ended with {last}.")
    return last.result


def answers(edge: EdgeLLM, model: str) -> Measured:
    """How much it knows of the domain, and how much it says about anything else."""
    words = [len(_ask(edge, model, row["prompt"], GENERAL).split()) for row in _rows("general_questions.jsonl")]
    return {
        "not known": _not_known(edge, model, "held_out.jsonl"),
        "further": _not_known(edge, model, "further.jsonl"),
        "general answer": statistics.mean(words),
    }


def _not_known(edge: EdgeLLM, model: str, name: str) -> float:
    """Percent of a file's questions whose answer lacks the fact."""
    rows = _rows(name)
    missed = [row for row in rows if row["contains"].lower() not in _ask(edge, model, row["prompt"], FACT).lower()]
    for row in missed:
        print(f"{NAME if '@' in model else 'base'} does not know: {row['prompt']}", file=sys.stderr)
    return 100 * len(missed) / len(rows)


def perplexity_rise(base: str, adapter: Path) -> float:
    """By how many percent the perplexity of general text rises with the adapter."""
    before, after = Judge(base), Judge(base, str(adapter))
    try:
        tokens = before.tokenize((EXAMPLES / "general.txt").read_text(encoding="utf-8"))[:TEXT_TOKENS]
        found = compare(before, after, [tokens])
    finally:
        before.close()
        after.close()
    return 100 * (found.ppl_candidate / found.ppl_reference - 1)


def _ask(edge: EdgeLLM, model: str, question: str, sampling: Sampling) -> str:
    return edge.chat([Message(role="user", content=question)], model=model, sampling=sampling).text


def _rows(name: str) -> Sequence[Mapping[str, str]]:
    return [json.loads(line) for line in (EXAMPLES / name).read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    sys.exit(harness.main_without_texts(run))
