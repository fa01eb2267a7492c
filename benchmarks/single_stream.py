"""One stream: tokens a second of one client, and the time to its first token."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from benchmarks import clients, harness
from benchmarks.arms.base import Arm, Ask
from benchmarks.report import Report, Target
from benchmarks.texts import Texts

TARGETS = (
    Target(path="one stream, decode", metric="decode", against="llama-server", floor=0.97, aim=0.99),
    Target(path="one stream, decode", metric="decode", against="Llama behind a lock", floor=0.97, aim=0.99),
)


def run(options: harness.Options, texts: Texts) -> Report:
    """One client reads a 64-token prompt and 256 tokens of answer."""
    prompt_tokens, answer_tokens = (16, 8) if options.is_trial else (64, 256)
    config = options.arm_config(context_tokens=2048, parallel=1)
    arms, skipped = harness.choose_arms(options, config)

    def trial(arm: Arm, number: int) -> Mapping[str, float]:
        ask = Ask(prompt=texts.prompt(prompt_tokens, salt=number), max_tokens=answer_tokens)
        [done] = clients.serve_all(arm, [ask])
        return {"decode": clients.decode_rate(done), "first token": (done.first_at - done.asked_at) * 1000}

    return Report(
        name="One stream",
        what=f"One client, a prompt of {prompt_tokens} tokens, {answer_tokens} tokens of answer, greedy.",
        units={"decode": "tokens/s", "first token": "ms"},
        arms=harness.measure(arms, trial, options),
        targets=TARGETS,
        skipped=skipped,
        settings={"prompt_tokens": prompt_tokens, "answer_tokens": answer_tokens, "threads": config.threads},
        is_trial=options.is_meaningless,
    )


if __name__ == "__main__":
    sys.exit(harness.main(run))
