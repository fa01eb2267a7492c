"""A shared prefix: sixteen requests that begin with the same 800 tokens."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from benchmarks import clients, harness
from benchmarks.arms.base import Arm, Ask
from benchmarks.report import Report, Target
from benchmarks.texts import Texts

TARGETS = (
    Target(
        path="shared prefix, prefill", metric="prefill", against="llama-server", floor=4, aim=8, is_lower_better=True
    ),
    Target(
        path="shared prefix, wall time", metric="wall", against="llama-server", floor=None, aim=4, is_lower_better=True
    ),
)


def run(options: harness.Options, texts: Texts) -> Report:
    """Sixteen requests at once share their first 800 tokens; eight may run at a time."""
    requests, prefix_tokens, own_tokens, answer_tokens = (4, 64, 8, 4) if options.is_trial else (16, 800, 16, 32)
    config = options.arm_config(context_tokens=8192, parallel=8)
    arms, skipped = harness.choose_arms(options, config)

    def trial(arm: Arm, number: int) -> Mapping[str, float]:
        prefix = texts.prompt(prefix_tokens, salt=number)
        own = [texts.prompt(own_tokens, salt=100 + index) for index in range(requests)]
        served = clients.serve_all(arm, [Ask(prompt=f"{prefix}\n{text}", max_tokens=answer_tokens) for text in own])
        computed = clients.computed_prompt_tokens(served)
        return {"wall": clients.wall_s(served), **({} if computed is None else {"prefill": computed})}

    return Report(
        name="Shared prefix",
        what=f"{requests} requests at once, a common prefix of {prefix_tokens} tokens, {own_tokens} of their own, "
        f"{answer_tokens} tokens of answer. `prefill` counts prompt tokens that were computed.",
        units={"wall": "s", "prefill": "tokens"},
        arms=harness.measure(arms, trial, options),
        targets=TARGETS,
        skipped=skipped,
        settings={"requests": requests, "prefix_tokens": prefix_tokens},
        is_trial=options.is_meaningless,
    )


if __name__ == "__main__":
    sys.exit(harness.main(run))
