"""Resume: the first token of a saved conversation, from disk against reading it again."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks import clients, harness
from benchmarks.arms.base import Arm, Ask, OnPiece, Served
from benchmarks.arms.worker import WorkerArm
from benchmarks.report import Report, Target
from benchmarks.texts import Texts

READ_AGAIN = "prefill again"
TARGETS = (
    Target(
        path="resume a 4k-token conversation",
        metric="first token",
        against=READ_AGAIN,
        floor=10,
        aim=30,
        is_lower_better=True,
    ),
)


class Restarted:
    """An EdgeLLM worker that is started anew for every request."""

    def __init__(self, name: str, worker: WorkerArm) -> None:
        self.name = name
        self._worker = worker

    def start(self) -> None:
        """Nothing yet: each request starts its own process."""

    def serve(self, ask: Ask, on_piece: OnPiece | None = None) -> Served:
        """Start a worker, serve, and end it with its conversations saved."""
        self._worker.start()
        try:
            return self._worker.serve(ask, on_piece)
        finally:
            self._worker.stop()

    def stop(self) -> None:
        """Nothing is left to release."""


def run(options: harness.Options, texts: Texts) -> Report:
    """A conversation of 4,000 tokens is continued by a fresh process, with and without its saved state."""
    kept_tokens, new_tokens, answer_tokens = (96, 8, 4) if options.is_trial else (4000, 32, 16)
    config = options.arm_config(context_tokens=8192, parallel=2)
    with tempfile.TemporaryDirectory() as folder:
        cached = Restarted("edgellm", WorkerArm(config, disk_cache=Path(folder)))
        plain = Restarted(READ_AGAIN, WorkerArm(config))

        def trial(arm: Arm, number: int) -> Mapping[str, float]:
            name = f"conversation-{number}"
            known = texts.prompt(kept_tokens, salt=number)
            longer = f"{known}\n{texts.prompt(new_tokens, salt=500)}"
            if arm is cached:
                clients.serve_all(arm, [Ask(prompt=known, max_tokens=1, conversation=name)])
            ask = Ask(prompt=longer, max_tokens=answer_tokens, conversation=name if arm is cached else None)
            [done] = clients.serve_all(arm, [ask])
            return {
                "first token": done.first_at - done.asked_at,
                "prefill": clients.computed_prompt_tokens([done]) or 0,
            }

        measured = harness.measure([cached, plain], trial, options)
    return Report(
        name="Resume",
        what=f"A conversation of {kept_tokens} tokens goes on in a new process: time to the first token "
        "after the model is open.",
        units={"first token": "s", "prefill": "tokens"},
        arms=measured,
        targets=TARGETS,
        settings={"kept_tokens": kept_tokens},
        is_trial=options.is_meaningless,
    )


if __name__ == "__main__":
    sys.exit(harness.main(run))
