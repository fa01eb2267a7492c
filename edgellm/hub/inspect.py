"""Opens an untrusted model file: first its header, here, then the whole of it in a limited child process.

The header is read by bounded Python that cannot crash. Only a file whose header is sound reaches llama.cpp, in a child
with limits on memory, time and output; when that child dies, the file is refused and nothing else happens.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgellm.gguf_header import GGUFHeader, read_header
from edgellm.hub.fit import ModelShape, shape_from_header
from edgellm.hub.rules import check_rules, refuse
from edgellm.limited import Ended, Limits, run_limited

CHILD_MEMORY_BYTES = 6 * 1024**3
"""Address space for the child beyond twice the file."""
TIMEOUT_S = 20.0
SLOW_BYTES_PER_S = 100e6
"""How slowly a disk may read before a large file is refused for its opening time."""

_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 25: "IQ4_NL", 30: "IQ4_XS",
    32: "BF16", 38: "MXFP4",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What an accepted file holds."""

    architecture: str
    name: str
    """As the file states it; empty when it does not."""
    parameters: int
    quantization: str
    file_bytes: int
    shape: ModelShape
    has_chat_template: bool
    licence: str | None
    """As the file states it; unchecked."""
    languages: tuple[str, ...]
    warnings: tuple[str, ...]


def inspect(path: Path, *, timeout_s: float | None = None) -> Inspection:
    """Open a file that nobody has vouched for.

    timeout_s: by default 20 seconds, and one more for every 100 MB.
    Raises: ModelRejected, naming what is wrong; also when llama.cpp crashes on it or takes too long.
    """
    header = read_header(path)
    check_rules(header)
    _try_llama(header, timeout_s or TIMEOUT_S + header.file_bytes / SLOW_BYTES_PER_S)
    return summary(header)


def check_header(path: Path) -> Inspection:
    """The part of `inspect` that starts no child: structure, extents, limits, template size. Raises: ModelRejected."""
    header = read_header(path)
    check_rules(header)
    return summary(header)


def summary(header: GGUFHeader) -> Inspection:
    """What the header says about the model."""
    shape = shape_from_header(header)
    has_template = header.text("tokenizer.chat_template") is not None
    warnings = []
    if not has_template and not shape.is_embedder:
        warnings.append("The file has no chat template; a plain one will be used.")
    if not shape.trained_context_tokens:
        warnings.append("The file does not say for which context it was trained.")
    return Inspection(
        architecture=header.architecture,
        name=header.text("general.name") or "",
        parameters=header.parameters,
        quantization=_quantization(header),
        file_bytes=header.file_bytes,
        shape=shape,
        has_chat_template=has_template,
        licence=header.text("general.license"),
        languages=tuple(item for item in header.items("general.languages") if isinstance(item, str)),
        warnings=tuple(warnings),
    )


def _quantization(header: GGUFHeader) -> str:
    """The file's own word for it, or the type that most bytes have."""
    stated = _FILE_TYPES.get(header.integer("general.file_type") or -1)
    if stated:
        return stated
    sizes: dict[str, int] = {}
    for tensor in header.tensors:
        sizes[tensor.type.name] = sizes.get(tensor.type.name, 0) + tensor.size_bytes
    return max(sizes, key=lambda name: sizes[name])


def _try_llama(header: GGUFHeader, timeout_s: float) -> None:
    """Let llama.cpp open the file in a limited child."""
    limits = Limits(memory_bytes=2 * header.file_bytes + CHILD_MEMORY_BYTES, wall_s=max(1, round(timeout_s)))
    ended = run_limited(trial_command(header.path), limits, os.environ)
    answer = _answer(ended)
    if ended.exit_code == 0 and answer:
        return
    if ended.signal_name == "SIGALRM":
        refuse(
            header, f"opening it took more than {limits.wall_s} s", "Try again on a quieter machine.", timed_out=True
        )
    if ended.signal_name:
        refuse(header, f"llama.cpp crashed while opening it ({ended.signal_name})")
    refuse(header, f"llama.cpp cannot open it: {_reason(ended, answer)}")


def trial_command(path: Path) -> list[str]:
    """What opens a file with llama.cpp. A module's name, not an import: the hub knows no engine."""
    return [sys.executable, "-P", "-m", "edgellm.engine.trial", "open", str(path.absolute()), "--gpu-layers", "0"]


def _answer(ended: Ended) -> dict[str, Any]:
    """The JSON object on the child's last line; empty when there is none."""
    lines = ended.stdout.strip().splitlines()
    try:
        answer = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _reason(ended: Ended, answer: dict[str, Any]) -> str:
    stated = answer.get("message") or answer.get("reason") or answer.get("error")
    if stated:
        return str(stated)
    last = ended.stderr.strip().splitlines()[-1:]
    return f"exit code {ended.exit_code}" + (f", {last[0]}" if last else "")
