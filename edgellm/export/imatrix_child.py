"""The process that measures an importance matrix: python -m edgellm.export.imatrix_child.

One request: `path` of the model, `texts` as token ids, `target` to write to.
"""

from __future__ import annotations

from pathlib import Path

from edgellm.engine.llama.activations import Activations
from edgellm.engine.llama.exact import ExactModel
from edgellm.engine.native import NativeHost, Object
from edgellm.errors import EngineError
from edgellm.export.imatrix_file import write_totals


def main() -> None:
    """Measure, write, say so."""
    host = NativeHost()

    def measure(request: Object) -> None:
        activations = Activations()
        texts: list[list[int]] = request["texts"]
        model = ExactModel(request["path"], None, max(map(len, texts)), activations.watcher)
        done = 0
        for tokens in texts:
            model.forget()
            for logits in model.read(tokens):
                if activations.failure is not None:
                    raise EngineError(f"The importance matrix could not be measured: {activations.failure}")
                done += len(logits)
                host.answer({"tokens": done})
        totals = activations.totals()
        write_totals(Path(request["target"]), totals, len(texts), max(map(len, texts)))
        host.answer({"weights": len(totals)})

    host.serve(measure)


if __name__ == "__main__":
    main()
