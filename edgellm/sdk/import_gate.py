"""Whether a base is read for training as llama.cpp reads it: asked once a base and version, in a process of its own."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from edgellm.decoding import convert, from_json
from edgellm.engine.native import NativeChild
from edgellm.gguf_header import GGUFHeader
from edgellm.paths import private_dir, write_private
from edgellm.train.gate import Gate, refuse
from edgellm.train.kernels import keep_kernels, lend_kernels


def pass_gate(header: GGUFHeader, base_sha256: str, folder: Path, kernels: Path) -> Gate:
    """What was found; kept in `folder`, by base and by what reads it. `kernels`: where compiled ones are kept.

    Raises: ModelRejected when the base is read in another way; DiskFull, WorkerDied.
    """
    path = folder / f"{_identity(base_sha256)}.json"
    with suppress(OSError, msgspec.MsgspecError):  # not asked yet, or damaged: asked again
        return _passed(header, from_json(path.read_bytes(), type=Gate))
    gate = _ask(header, private_dir(folder), kernels)
    write_private(path, msgspec.json.encode(gate))
    return _passed(header, gate)


def _passed(header: GGUFHeader, gate: Gate) -> Gate:
    refuse(header, gate)
    return gate


def _ask(header: GGUFHeader, folder: Path, kernels: Path) -> Gate:
    with TemporaryDirectory(dir=folder) as copies:
        lend_kernels(kernels, Path(copies))
        child = NativeChild("edgellm.train.gate_child")
        try:
            child.send({"path": str(header.path), "folder": copies})
            gate = convert(child.receive(), Gate)
            with suppress(OSError):  # the next process compiles them again
                keep_kernels(Path(copies), kernels)
            return gate
        finally:
            child.close()


def _identity(base_sha256: str) -> str:
    """Changes with the base, the code that reads it, MLX and llama.cpp."""
    code = [
        file.read_bytes() for file in sorted(files("edgellm.train").iterdir(), key=str) if file.name.endswith(".py")
    ]
    versions = f"{version('mlx')} {version('llama-cpp-python')}"
    return hashlib.sha256(b"\0".join([base_sha256.encode(), versions.encode(), *code])).hexdigest()[:32]
