"""Training: steps of EdgeLLM and of stock mlx-lm on the same rows, with the same BLAS, and what each change brings."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from benchmarks import harness
from benchmarks.arms.base import ArmFailed
from benchmarks.report import Report, Target
from edgellm.data.rows import ChatRow
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.training_rows import tokenized
from edgellm.settings import Settings
from edgellm.train.environment import mlx_environment
from edgellm.train.rows import write_rows
from edgellm.train.settings import settings_for

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "lighthouse" / "train.jsonl"
BATCH_ROWS = 10
STOCK = "mlx_lm.lora"
CHANGES = {
    "one group for all lengths": "ungrouped",
    "shared beginning computed for each row": "unshared",
    "mlx's own exponentials": "exp",
    "logits kept for the backward pass": "logits",
    "memory given back to the system": "memory",
}
"""What is taken back, and the name by which it is known here and to `training_child`."""


def run(options: harness.Options) -> Report:
    """LoRA of rank 16 on all layers of the starter, ten chat rows a step. Raises: MachineBusy."""
    steps = 2 if options.is_trial else 6
    with tempfile.TemporaryDirectory() as folder:
        work = prepare(Path(folder), options.model, steps)
        cases: dict[str, harness.Case] = {"edgellm": partial(ours, work, ""), STOCK: partial(stock, work)}
        if not options.is_trial:
            cases |= {name: partial(ours, work, change) for name, change in CHANGES.items()}
        measured = harness.take_turns(cases, options)
    return Report(
        name="Training",
        what=f"Each step learns {BATCH_ROWS} chat rows of {work.row_tokens:.0f} tokens, LoRA of rank 16 on all layers. "
        "Below stock, what EdgeLLM does with one of its changes taken back.",
        units={"speed": "tokens/s", "memory": "MiB"},
        arms=measured,
        targets=[
            Target(path="training, speed", metric="speed", against=STOCK, floor=1.5, aim=2.5),
            Target(path="training, memory", metric="memory", against=STOCK, floor=1.43, aim=2.5, is_lower_better=True),
        ],
        settings={"batch_rows": BATCH_ROWS, "steps": steps},
        is_trial=options.is_meaningless,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What every arm does."""

    place: Path
    """Folder with `rows`, `data` and `model`."""
    model: Path
    steps: int
    row_tokens: float
    """Mean tokens of a row."""

    def measured(self, printed: str) -> Mapping[str, float]:
        """Tokens a second and MiB from a child's last line."""
        said = json.loads(printed.splitlines()[-1])
        return {"speed": BATCH_ROWS * self.row_tokens / said["step_s"], "memory": said["peak_bytes"] / 2**20}


def prepare(place: Path, model: Path, steps: int) -> Work:
    """Rows and model in both forms."""
    from edgellm.export.to_hf import Source, write_folder

    with EdgeLLM(str(model), home=place / "home", settings=Settings(context_tokens=2048)) as edge:
        dataset = edge.datasets.build([EXAMPLES], "rows")
        rows = tokenized(dataset, edge._engines.worker(str(model))[1], settings_for("balanced", anchors=0))
        chats = [
            msgspec.json.encode({"messages": row.messages}) for row in dataset.rows("train") if isinstance(row, ChatRow)
        ]
    write_rows(place / "rows", rows)
    (place / "data").mkdir()
    for name in ("train", "valid"):
        (place / "data" / f"{name}.jsonl").write_bytes(b"".join(chat + b"\n" for chat in chats))
    write_folder(Source(base=model), place / "model", "mlx", "F32")
    return Work(
        place=place, model=model, steps=steps, row_tokens=statistics.mean(len(row.tokens) for row in rows.train)
    )


def ours(work: Work, change: str, _round: int) -> Mapping[str, float]:
    """EdgeLLM's trainer in a process of its own."""
    command = ["-m", "benchmarks.training_child", str(work.model), str(work.place / "rows"), str(work.steps)]
    with tempfile.TemporaryDirectory() as kernels:
        kept = mlx_environment(os.environ, Path(kernels))
        environment = {**os.environ, "TMPDIR": kernels} if change == "memory" else kept
        return work.measured(_run([*command, str(BATCH_ROWS), change], environment))


def stock(work: Work, _round: int) -> Mapping[str, float]:
    """`mlx_lm.lora` with its command line's options and our BLAS, in a process of its own."""
    place = work.place
    settings = {"lora_parameters": {"rank": 16, "scale": 10.0, "dropout": 0.0}}
    (place / "lora.yaml").write_text(json.dumps(settings))  # JSON is YAML
    words = [
        "--train", "--model", str(place / "model"), "--data", str(place / "data"), "--iters", str(work.steps),
        "--batch-size", str(BATCH_ROWS), "--num-layers", "-1", "--mask-prompt", "--steps-per-report", "1",
        "--steps-per-eval", "1000", "--val-batches", "0", "--adapter-path", str(place / "adapter"),
        "--config", str(place / "lora.yaml"), "--learning-rate", "2e-4",
    ]  # fmt: skip
    return work.measured(_run(["-m", "benchmarks.training_stock", *words]))


def _run(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """What a child prints. `environment`: None is our own."""
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=900, env=environment
    )
    if done.returncode:
        raise ArmFailed(f"{arguments[0]} {arguments[1][:60]} ended with {done.returncode}: {done.stderr[-800:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(harness.main_without_texts(run))
