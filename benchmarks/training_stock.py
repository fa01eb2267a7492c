"""Steps of `mlx_lm.lora` in a process of its own, with the BLAS that EdgeLLM takes: options of `mlx_lm.lora`."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgellm.train.blas import load_openblas


def main(arguments: list[str]) -> int:
    """Prints the median seconds of a step after the first, and MLX's peak memory, as JSON."""
    load_openblas(Path(tempfile.mkdtemp()))  # before MLX
    from mlx_lm import lora
    from mlx_lm.tuner.callbacks import TrainingCallback

    class Steps(TrainingCallback):
        """Keeps what is reported."""

        def __init__(self) -> None:
            self.seconds: list[float] = []
            self.peak_bytes = 0.0

        def on_train_loss_report(self, train_info: Mapping[str, Any]) -> None:
            self.seconds.append(1 / train_info["iterations_per_second"])
            self.peak_bytes = train_info["peak_memory"] * 1e9

    steps = Steps()
    # its own callbacks are those of reporting services, chosen by name: this is the one place to listen from
    vars(lora)["get_reporting_callbacks"] = lambda *_arguments, **_options: steps
    sys.argv = ["mlx_lm.lora", *arguments]
    lora.main()  # type: ignore[no-untyped-call]
    print(json.dumps({"step_s": statistics.median(steps.seconds[1:]), "peak_bytes": steps.peak_bytes}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
