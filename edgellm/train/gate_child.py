"""The process that compares our reading of a base with llama.cpp's: python -m edgellm.train.gate_child.

One request: `path` of the base, `folder` for the copies that are read. One answer: the fields of `gate.Gate`.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from edgellm.engine.native import NativeHost, Object
from edgellm.gguf_header import read_header
from edgellm.train.reading import compare_reading


def main() -> None:
    """Compare, say what was found."""
    host = NativeHost()

    def compare(request: Object) -> None:
        os.environ["TMPDIR"] = request["folder"]  # why: edgellm.train.environment
        host.answer(asdict(compare_reading(read_header(request["path"]), Path(request["folder"]))))

    host.serve(compare)


if __name__ == "__main__":
    main()
