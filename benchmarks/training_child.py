"""Steps of EdgeLLM's trainer in a process of its own, some change taken back: MODEL ROWS STEPS BATCH_ROWS CHANGE."""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import tempfile
from pathlib import Path

from edgellm.train.blas import load_openblas


def main(arguments: list[str]) -> int:
    """Prints the median seconds of a step after the first, and MLX's peak memory, as JSON."""
    model, rows, steps, batch_rows, change = arguments
    load_openblas(Path(tempfile.mkdtemp()))  # before MLX
    from edgellm.train.base import open_base
    from edgellm.train.checkpoint import Checkpoints
    from edgellm.train.rows import read_rows
    from edgellm.train.settings import settings_for
    from edgellm.train.spec import Stepped
    from edgellm.train.trainer import Trainer

    _take_back(change)
    settings = settings_for(
        "balanced",
        anchors=0,
        noise=0.0,
        steps=int(steps),
        batch_rows=int(batch_rows),
        checkpoint_steps=1000,
        valid_steps=1000,
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(open_base(Path(model)), read_rows(Path(rows)), settings, Checkpoints(Path(folder)))
        said = [happening for happening in trainer.run() if isinstance(happening, Stepped)]
    spent = [later.spent_s - earlier.spent_s for earlier, later in itertools.pairwise(said)]
    print(json.dumps({"step_s": statistics.median(spent), "peak_bytes": said[-1].peak_bytes}))
    return 0


def _take_back(change: str) -> None:
    import mlx.core as mx

    from edgellm.train import batch, decoder, numerics, ragged

    def put(owner: object, name: str, value: object) -> None:
        setattr(owner, name, value)

    if change == "ungrouped":
        put(ragged, "SIMILAR_TOKENS", 1_000_000)
    elif change == "unshared":
        put(batch, "shared_beginning", lambda _rows: 0)
    elif change == "exp":
        put(numerics, "softmax", lambda scores: mx.softmax(scores, axis=-1, precise=True))
        put(numerics, "swiglu", lambda gate, up: gate * mx.sigmoid(gate) * up)
    elif change == "logits":
        put(decoder.Decoder, "frozen_head", lambda _model: None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
