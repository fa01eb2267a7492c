"""One adapter as MLX, GGUF and PEFT files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.errors import TrainingError
from edgellm.export.adapter_gguf import Lora, write_adapter_gguf
from edgellm.export.peft import write_peft
from edgellm.gguf_header import GGUFHeader, read_header
from edgellm.paths import private_dir

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MLX_FILE, GGUF_FILE, PEFT_FOLDER = "adapter.safetensors", "adapter.gguf", "peft"
_FACTOR = re.compile(r"(.+)\.lora_([ab])")


def write_adapter_files(folder: Path, source: Path, base: Path, *, name: str, alpha: float) -> None:
    """Fill the folder with the adapter in the safetensors file `source`, trained on the GGUF file `base`.

    Raises: TrainingError, InvalidInput, OSError.
    """
    header = read_header(base)
    adapter = read_learnt(source, header, alpha)
    shutil.copyfile(source, folder / MLX_FILE)
    write_adapter_gguf(folder / GGUF_FILE, adapter, name)
    write_peft(private_dir(folder / PEFT_FOLDER), adapter, header, base.stem)


def read_learnt(source: Path, base: GGUFHeader, alpha: float) -> Lora:
    """The adapter in a safetensors file that was trained on a GGUF file. Raises: TrainingError, OSError."""
    from safetensors.numpy import load_file

    return Lora(base.architecture, alpha, _factors(load_file(source), source))


def _factors(
    weights: dict[str, NDArray[np.float32]], source: Path
) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """(A, B) by the base's tensor name."""
    found: dict[str, dict[str, NDArray[np.float32]]] = {}
    for name, value in weights.items():
        match = _FACTOR.fullmatch(name)
        if match is None:
            raise TrainingError(f"{str(source)!r} holds {name!r}, which is no part of an adapter.")
        found.setdefault(f"{match[1]}.weight", {})[match[2]] = value
    return {name: (pair["a"], pair["b"]) for name, pair in found.items()}
