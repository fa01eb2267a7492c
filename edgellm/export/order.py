"""What is to be exported, and as which kind of files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from edgellm.export.manifest import Base, UsedAdapter
from edgellm.export.quantize import Quant
from edgellm.export.text import Text

Kind = Literal["gguf", "hf", "mlx", "peft"]
"""gguf: files for llama.cpp, one for each quantization; hf and mlx: the folder that Hugging Face libraries or mlx_lm
open; peft: the adapter alone, for Hugging Face libraries and vLLM."""
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be exported."""

    name: str
    """How the files are called: `NAME-Q4_K_M.gguf`."""
    kind: Kind = "gguf"
    base: Base
    base_path: Path
    adapter: UsedAdapter | None = None
    adapter_path: Path | None = None
    """The adapter as GGUF."""
    quants: Sequence[Quant]
    """For a folder one that is a full precision: the type of its weights."""
    text: Text
    """What calibrates and verifies."""
    folder: Path
    """Where the result is to appear; must not exist."""
    keeps_files: bool = True
    """False measures the quantizations and keeps nothing."""
    on_file: Callable[[str, Path], None] | None = None
    """Is shown each GGUF file, with the name of its quantization, once it is verified and before it may go."""
