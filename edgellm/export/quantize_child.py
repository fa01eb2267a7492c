"""The process that quantizes one file: python -m edgellm.export.quantize_child.

One request: `source`, `target`, `ftype` (llama.cpp's number), `threads`, and `imatrix`, a file or null. llama.cpp
reports each tensor in its log only, so the log is read for progress.
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
from pathlib import Path
from typing import Any

from edgellm.engine.llama import library
from edgellm.engine.llama.library import lib
from edgellm.engine.native import NativeHost, Object
from edgellm.errors import DiskFull, JobError
from edgellm.export.imatrix_file import read_means

TENSOR_LINE = re.compile(r"\[\s*(\d+)/\s*(\d+)\]")


class ProgressHandler(logging.Handler):
    """Turns `[ 12/ 272] blk.0.attn_q.weight - ...` into an answer."""

    def __init__(self, host: NativeHost) -> None:
        super().__init__(logging.DEBUG)
        self._host = host

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on what is a tensor's line."""
        if found := TENSOR_LINE.match(record.getMessage()):
            self._host.answer({"tensor": int(found[1]), "of": int(found[2])})


def importance(path: str | None) -> Any:
    """llama.cpp's array of (name, data, size), ended by a NULL name; None without a file."""
    if path is None:
        return None
    weights = read_means(Path(path))
    entries = (lib.llama_model_imatrix_data * (len(weights) + 1))()
    for entry, (name, values) in zip(entries, weights.items(), strict=False):
        entry.name, entry.size = name.encode(), values.size
        entry.data = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    entries.keep_alive = weights
    return entries


def quantize(request: Object) -> None:
    """Write the file. Raises: DiskFull, JobError in llama.cpp's own words."""
    params = lib.llama_model_quantize_default_params()
    params.ftype = request["ftype"]
    params.nthread = request["threads"]
    entries = importance(request["imatrix"])
    if entries is not None:
        params.imatrix = entries
    library.forget_complaints()
    code = lib.llama_model_quantize(os.fsencode(request["source"]), os.fsencode(request["target"]), params)
    if code != 0:
        raise _failure(request["target"], library.complaints())


def _failure(target: str, said: str) -> DiskFull | JobError:
    """llama.cpp's C++ stream tells a full disk and a failing one apart from nothing else: its error has no reason."""
    reason = said.split("failed to quantize: ")[-1]
    if "iostream error" in reason:
        hint = "Free some space and try again."
        return DiskFull(f"{target!r} could not be written: the disk is full or failing.", hint=hint, path=target)
    return JobError(f"llama.cpp could not quantize: {reason or 'it gave no reason'}.")


def main() -> None:
    """Quantize, say so."""
    host = NativeHost()
    library.logger.addHandler(ProgressHandler(host))
    library.logger.setLevel(logging.DEBUG)
    library.logger.propagate = False

    def handle(request: Object) -> None:
        quantize(request)
        host.answer({"done": True})

    host.serve(handle)


if __name__ == "__main__":
    main()
