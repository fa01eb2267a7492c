"""The process that compares what we compute with what llama.cpp does: python -m edgellm.train.gate_child.

One request: `path` of the base, `folder` for the copies that are read; to compare an adapter's files too, `gguf`,
`weights` and `settings` of the run that made them. One answer: the fields of `gate.Gate`.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from edgellm.decoding import convert
from edgellm.engine.native import NativeHost, Object
from edgellm.gguf_header import read_header
from edgellm.train.adapter_check import compare_adapter
from edgellm.train.reading import compare_reading
from edgellm.train.settings import TrainSettings


def main() -> None:
    """Compare, say what was found."""
    host = NativeHost()

    def compare(request: Object) -> None:
        os.environ["TMPDIR"] = request["folder"]  # why: edgellm.train.environment
        header, folder = read_header(request["path"]), Path(request["folder"])
        if "gguf" in request:
            settings = convert(request["settings"], TrainSettings)
            gate = compare_adapter(header, Path(request["gguf"]), Path(request["weights"]), settings, folder)
        else:
            gate = compare_reading(header, folder)
        host.answer(asdict(gate))

    host.serve(compare)


if __name__ == "__main__":
    main()
