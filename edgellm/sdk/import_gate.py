"""Whether a base, and what a run made, are to llama.cpp what they are to the trainer: in a process of its own.

A base is asked about once a version of it and of the code, what was made once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from edgellm.decoding import convert, from_json
from edgellm.engine.native import NativeChild
from edgellm.errors import TrainingError
from edgellm.gguf_header import GGUFHeader
from edgellm.paths import private_dir, write_private
from edgellm.train.gate import LIMIT_NATS, Gate, refuse
from edgellm.train.kernels import keep_kernels, lend_kernels
from edgellm.train.settings import TrainSettings

_READERS = ("gguf_header.py", "gguf_tensors.py", "gguf_write.py", "engine/judge.py", "engine/judge_child.py")
"""What the comparison goes through beside the trainer's own code."""


def pass_gate(header: GGUFHeader, base_sha256: str, folder: Path, kernels: Path) -> Gate:
    """What was found; kept in `folder`, by base and by what reads it. `kernels`: where compiled ones are kept.

    Raises: ModelRejected when the base is read in another way; DiskFull, WorkerDied.
    """
    path = folder / f"{_identity(base_sha256)}.json"
    with suppress(OSError, msgspec.MsgspecError):  # not asked yet, or damaged: asked again
        return _passed(header, from_json(path.read_bytes(), type=Gate))
    gate = _ask({"path": str(header.path)}, private_dir(folder), kernels)
    write_private(path, msgspec.json.encode(gate))
    return _passed(header, gate)


def check_adapter(
    base: Path, gguf: Path, weights: Path, settings: TrainSettings, *, folder: Path, kernels: Path
) -> Gate:
    """Compare an adapter's GGUF file in llama.cpp with its MLX weights. `folder`, `kernels`: as `pass_gate`.

    Raises: TrainingError when they differ; DiskFull, WorkerDied.
    """
    paths = {"path": str(base), "gguf": str(gguf), "weights": str(weights)}
    gate = _ask({**paths, "settings": msgspec.to_builtins(settings)}, private_dir(folder), kernels)
    return _close(gate, "The adapter's GGUF file")


def check_model(made: Path, *, folder: Path, kernels: Path) -> Gate:
    """Compare how a model that was made here is read with llama.cpp. Raises: as `check_adapter`."""
    return _close(_ask({"path": str(made)}, private_dir(folder), kernels), "What llama.cpp reads in the model's file")


def _close(gate: Gate, what: str) -> Gate:
    if not gate.kl <= LIMIT_NATS:  # also where it is no number
        raise TrainingError(
            f"{what} is {gate.kl:.2g} nats a token from what was learnt; {LIMIT_NATS:g} are allowed.",
            hint="Nothing was installed; the run's last checkpoint is kept. Please report this.",
        )
    return gate


def verification(gate: Gate) -> dict[str, float]:
    """What was found, as results and manifests say it."""
    return {"kl": gate.kl, "limit": LIMIT_NATS, "layers": gate.layers}


def _passed(header: GGUFHeader, gate: Gate) -> Gate:
    refuse(header, gate)
    return gate


def _ask(request: Mapping[str, object], folder: Path, kernels: Path) -> Gate:
    with TemporaryDirectory(dir=folder) as copies:
        lend_kernels(kernels, Path(copies))
        child = NativeChild("edgellm.train.gate_child")
        try:
            child.send({**request, "folder": copies})
            gate = convert(child.receive(), Gate)
            with suppress(OSError):  # the next process compiles them again
                keep_kernels(Path(copies), kernels)
            return gate
        finally:
            child.close()


def _identity(base_sha256: str) -> str:
    """Changes with the base, the code that reads it, MLX and llama.cpp."""
    trainer = [file for file in sorted(files("edgellm.train").iterdir(), key=str) if file.name.endswith(".py")]
    code = [file.read_bytes() for file in (*trainer, *(files("edgellm").joinpath(name) for name in _READERS))]
    versions = f"{version('mlx')} {version('llama-cpp-python')}"
    return hashlib.sha256(b"\0".join([base_sha256.encode(), versions.encode(), *code])).hexdigest()[:32]
