"""The process that trains: python -m edgellm.train.child RUN_FOLDER; sayings as JSON lines on standard output."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from edgellm.errors import EdgeLLMError
from edgellm.train.blas import BlasThreads, load_openblas
from edgellm.train.history import History
from edgellm.train.spec import Broke, Ended, Opened, Saved, Saying, read_spec, say


class _Stop:
    """SIGTERM and SIGINT: stop after the step."""

    def __init__(self) -> None:
        self.is_asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def __call__(self) -> bool:
        return self.is_asked

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.is_asked = True


def main(arguments: list[str]) -> int:
    """Train what the folder's spec says; 0 also when stopped."""
    folder = Path(arguments[0])
    out = os.dup(1)
    threading.Thread(target=_end_with_the_listener, args=(out,), daemon=True).start()
    os.dup2(2, 1)  # whatever a library prints goes to the log

    def tell(saying: Saying) -> None:
        os.write(out, say(saying))

    try:
        return _train(folder, tell)
    except EdgeLLMError as error:
        tell(Broke(error=type(error).__name__, message=error.message, hint=error.hint))
    except MemoryError:
        tell(Broke(error="TrainingError", message="The machine ran out of memory. Use fewer batch_tokens."))
    return 1


def _end_with_the_listener(out: int) -> None:
    """End as soon as nobody reads what is said: between two sayings minutes can pass, and another may train here."""
    pipe = select.poll()
    pipe.register(out, 0)  # no events but those that come unasked: the other end is closed
    pipe.poll()
    os._exit(1)


def _train(folder: Path, tell: Callable[[Saying], None]) -> int:
    blas = load_openblas(folder / "blas")  # before MLX
    from mlx.utils import tree_flatten

    from edgellm.train.base import open_base
    from edgellm.train.checkpoint import Checkpoints
    from edgellm.train.rows import read_rows
    from edgellm.train.trainer import Trainer

    spec, stop = read_spec(folder / "spec.json"), _Stop()
    checkpoints = Checkpoints(folder / "checkpoints")
    model = open_base(Path(spec.base), is_quantized=spec.settings.method == "qlora")
    trainer = Trainer(
        model,
        read_rows(Path(spec.rows)),
        spec.settings,
        checkpoints,
        plan_hash=spec.plan_hash,
        start=Path(spec.start) if spec.start else None,
        reference=folder / "reference.msgpack",
        should_stop=stop,
        note_speed=BlasThreads(blas).note,
    )
    first = trainer.resume()
    weights = sum(weight.size for _, weight in list(tree_flatten(model.trainable_parameters())))
    tell(Opened(first_step=first, steps=trainer.steps, learning_weights=weights, blas=blas))
    history = History(folder)
    for happening in trainer.run():
        if trainer.is_chief:
            if not isinstance(happening, Saved):
                history.keep(happening)
            tell(happening)
    best = trainer.progress.best_step
    tell(
        Ended(
            is_complete=trainer.is_complete,
            checkpoint=str(checkpoints.newest() or ""),
            best="" if best is None else str(checkpoints.of_step(best)),
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
