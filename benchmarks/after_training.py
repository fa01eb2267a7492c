"""After training: from the last step's weights to the first token that was written with them."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks import harness, training
from benchmarks.arms.base import ArmFailed
from benchmarks.report import Report, Target
from edgellm.events import Finished
from edgellm.export.adapter_files import MLX_FILE, write_adapter_files
from edgellm.export.convert.write import convert_folder
from edgellm.export.quantize import QUANTS, Task, quantize
from edgellm.gguf_header import read_header
from edgellm.hub.adapters import AdapterManifest, BaseRecord, Shelf
from edgellm.hub.installed import sha256_of
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.train.settings import settings_for
from edgellm.types import Delta, Sampling

FUSED = "fuse, convert, quantize, load"
QUANT = "Q4_1"
"""The starter's own."""
QUESTION = "Who founded the Marrow Lighthouse Museum?"
ALPHA = settings_for("balanced").alpha


def run(options: harness.Options) -> Report:
    """A running chat takes what was learnt as an adapter; or a new model is made of it. Raises: MachineBusy."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        work = training.prepare(place, options.model, steps=2)
        training.stock(work, 0)
        with EdgeLLM(str(options.model), home=place / "home", settings=Settings(context_tokens=2048)) as edge:
            end = End(edge=edge, base=options.model, place=place, weights=_taught(edge, options.model))
            cases = {"edgellm": partial(attached, end), FUSED: partial(fused, end)}
            measured = harness.take_turns(cases, options)
    return Report(
        name="After training",
        what="Seconds from the weights of the last step to the first token that is written with them, in a chat whose "
        f"base is open already. The other way: `mlx_lm fuse`, conversion to GGUF, {QUANT}, opening the new file.",
        units={"first token": "s"},
        arms=measured,
        targets=[
            Target(
                path="end of training to first token",
                metric="first token",
                against=FUSED,
                floor=5,
                aim=20,
                is_lower_better=True,
            )
        ],
        is_trial=options.is_meaningless,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """A training run has just ended."""

    edge: EdgeLLM
    base: Path
    place: Path
    """Folder with mlx-lm's `model` and `adapter`."""
    weights: Path
    """Our last step's."""
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def first_token_s(self, began: float, model: str) -> Mapping[str, float]:
        """Ask, and stop at the first token."""
        with self.edge.chat(QUESTION, model=model, stream=True, sampling=Sampling(max_tokens=8)) as stream:
            for event in stream:
                if isinstance(event, Delta) and event.text:
                    return {"first token": time.perf_counter() - began}
        raise ArmFailed(f"{model} wrote nothing.")


def attached(end: End, _round: int) -> Mapping[str, float]:
    """As a training job ends: the adapter's files, and the next request names it."""
    end.edge.chat("Hi", sampling=Sampling(max_tokens=1))  # the chat that is running
    began = time.perf_counter()
    name = f"taught-{next(end.numbers)}"
    draft = end.place / name
    draft.mkdir()
    write_adapter_files(draft, end.weights, end.base, name=name, alpha=ALPHA)
    base = BaseRecord(name=str(end.base), sha256=sha256_of(end.base), architecture=read_header(end.base).architecture)
    adapter = Shelf(end.edge.home).admit(draft, AdapterManifest(name=name, base=base))
    return end.first_token_s(began, adapter.reference)


def fused(end: End, _round: int) -> Mapping[str, float]:
    """As one does without adapters: a new model, from mlx-lm's own adapter."""
    began = time.perf_counter()
    made = end.place / f"fused-{next(end.numbers)}"
    words = [
        "--model",
        str(end.place / "model"),
        "--adapter-path",
        str(end.place / "adapter"),
        "--save-path",
        str(made),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "mlx_lm", "fuse", *words], capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        raise ArmFailed(f"mlx_lm fuse ended with {done.returncode}: {done.stderr[-800:]}")
    whole, small = made.with_suffix(".f16.gguf"), made.with_suffix(f".{QUANT}.gguf")
    convert_folder(made, whole, "F16")
    quantize(Task(source=whole, target=small, quant=QUANTS[QUANT]))
    return end.first_token_s(began, str(small))


def _taught(edge: EdgeLLM, base: Path) -> Path:
    """The weights that a short run ends with."""
    job = edge.training.start(training.EXAMPLES, str(base), "first", settings_for("balanced", steps=2, anchors=0))
    last = list(edge.jobs.follow(job.id))[-1]
    if not isinstance(last, Finished):
        raise ArmFailed(f"The training job ended with {last}.")
    return Path(last.result["path"]) / MLX_FILE


if __name__ == "__main__":
    sys.exit(harness.main_without_texts(run))
