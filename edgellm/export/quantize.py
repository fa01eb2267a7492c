"""Which quantizations there are, how large their files become, and the door to llama.cpp's quantizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from edgellm.engine.native import NativeChild
from edgellm.errors import InvalidInput
from edgellm.gguf_header import TENSOR_TYPES, GGUFHeader, TensorInfo, TensorType

OnTensor = Callable[[int, int], None]
"""Told the number of the tensor at work, and how many there are."""
_KINDS = {kind.name: kind for kind in TENSOR_TYPES.values()}


@dataclass(frozen=True, slots=True)
class Quant:
    """One of llama.cpp's file types."""

    name: str
    ftype: int
    """llama.cpp's number (LLAMA_FTYPE)."""
    kind: TensorType
    """How most weights are stored."""
    tolerance: float
    """The largest mean KL divergence from full precision, in nats a token, that passes verification.

    Two to four times what a model of 135 million weights loses with an importance matrix; larger models lose less.
    """
    needs_imatrix: bool = False
    """llama.cpp refuses to make it without an importance matrix."""

    @property
    def is_full_precision(self) -> bool:
        """Whether weights stay floating-point numbers."""
        return self.kind.block_items == 1


QUANTS: Mapping[str, Quant] = {
    name: Quant(name, ftype, _KINDS[kind], tolerance, needs_imatrix=name.startswith(("IQ2", "IQ3_XXS", "Q2_K_S")))
    for name, ftype, kind, tolerance in (
        ("F32", 0, "F32", 0.001), ("F16", 1, "F16", 0.001), ("BF16", 32, "BF16", 0.005), ("Q8_0", 7, "Q8_0", 0.02),
        ("Q6_K", 18, "Q6_K", 0.03), ("Q5_K_M", 17, "Q5_K", 0.05), ("Q5_K_S", 16, "Q5_K", 0.05),
        ("Q5_1", 9, "Q5_1", 0.05), ("Q5_0", 8, "Q5_0", 0.05), ("Q4_K_M", 15, "Q4_K", 0.1), ("Q4_K_S", 14, "Q4_K", 0.1),
        ("Q4_1", 3, "Q4_1", 0.25), ("Q4_0", 2, "Q4_0", 0.35), ("IQ4_NL", 25, "IQ4_NL", 0.25),
        ("IQ4_XS", 30, "IQ4_XS", 0.25), ("Q3_K_L", 13, "Q3_K", 0.3), ("Q3_K_M", 12, "Q3_K", 0.3),
        ("Q3_K_S", 11, "Q3_K", 0.5), ("IQ3_M", 27, "IQ3_S", 0.4), ("IQ3_XXS", 23, "IQ3_XXS", 0.6),
        ("Q2_K", 10, "Q2_K", 0.8), ("IQ2_M", 29, "IQ2_S", 0.8),
    )
}  # fmt: skip
"""Every quantization that can be asked for, most precise first."""

FALLBACKS = {
    "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0", "Q3_K": "Q4_0", "Q2_K": "Q4_0", "IQ4_XS": "IQ4_NL",
    "IQ3_S": "IQ4_NL", "IQ3_XXS": "IQ4_NL", "IQ2_S": "IQ4_NL",
}  # fmt: skip
"""What llama.cpp takes where rows are not a multiple of 256 (`tensor_type_fallback` in llama-quant.cpp)."""
_GENEROUS = 1.12
"""Mixed quantizations store some tensors in more bits than their main type."""


def chosen(names: str) -> list[Quant]:
    """The quantizations named in `Q8_0,Q4_K_M`, each once. Raises: InvalidInput with the nearest name."""
    wanted = list(dict.fromkeys(name.strip().upper() for name in names.split(",") if name.strip()))
    for name in wanted:
        if name not in QUANTS:
            near = get_close_matches(name, QUANTS, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(QUANTS)}."
            raise InvalidInput(f"There is no quantization {name!r}.", hint=hint, field="quant", value=name)
    if not wanted:
        raise InvalidInput("No quantization was named.", hint="Name one, as Q4_K_M.", field="quant", remedy="quant")
    return [QUANTS[name] for name in wanted]


def stored_kind(tensor: TensorInfo, quant: Quant) -> TensorType:
    """The main type in which a tensor will be stored, after fallbacks for its shape; vectors stay F32."""
    width = tensor.shape[0]
    if len(tensor.shape) == 1 or tensor.type.name.startswith("I"):
        return _KINDS["F32"]
    kind = quant.kind
    if width % kind.block_items:
        kind = _KINDS[FALLBACKS.get(kind.name, "F16")]
    return kind if width % kind.block_items == 0 else _KINDS["F16"]


def estimated_bytes(header: GGUFHeader, quant: Quant) -> int:
    """Size of the file to expect, rather too large: input and output weights are counted as Q8_0 at least."""
    total = header.data_offset
    for tensor in header.tensors:
        kind = stored_kind(tensor, quant)
        bits = kind.block_bytes / kind.block_items
        if tensor.name in ("token_embd.weight", "output.weight"):
            bits = max(bits, _KINDS["Q8_0"].block_bytes / _KINDS["Q8_0"].block_items)
        total += int(tensor.count * bits * (1.0 if quant.is_full_precision else _GENEROUS))
    return total


def fallback_note(header: GGUFHeader, quant: Quant) -> str:
    """What the user should know when many tensors cannot have the type that was asked for; else empty."""
    weights = [tensor for tensor in header.tensors if len(tensor.shape) > 1]
    moved = [tensor for tensor in weights if stored_kind(tensor, quant) is not quant.kind]
    if not moved:
        return ""
    instead = sorted({stored_kind(tensor, quant).name for tensor in moved})
    widths = sorted({tensor.shape[0] for tensor in moved})
    return (
        f"{len(moved)} of {len(weights)} weights are stored as {' or '.join(instead)}: their rows "
        f"({', '.join(map(str, widths))}) are no multiple of {quant.kind.block_items}, as {quant.kind.name} needs."
    )


@dataclass(frozen=True, slots=True)
class Task:
    """One file to be quantized."""

    source: Path
    """A GGUF file at full precision."""
    target: Path
    quant: Quant
    imatrix: Path | None = None
    """What `imatrix.measure` wrote."""
    threads: int = 0
    """0 takes all processors."""


def quantize(task: Task, on_tensor: OnTensor = lambda _done, _total: None) -> None:
    """Write `task.target` in a child process; a half-written file is removed when it fails.

    Raises: DiskFull, JobError (llama.cpp refused), InvalidInput (an importance matrix is needed), WorkerDied.
    """
    if task.quant.needs_imatrix and task.imatrix is None:
        raise InvalidInput(
            f"{task.quant.name} cannot be made without an importance matrix.",
            hint="Choose one with more bits.",
            field="quant",
        )
    try:
        _run(task, on_tensor)
    except BaseException:
        task.target.unlink(missing_ok=True)
        raise


def _run(task: Task, on_tensor: OnTensor) -> None:
    with NativeChild("edgellm.export.quantize_child") as child:
        child.send(
            {
                "source": str(task.source),
                "target": str(task.target),
                "ftype": task.quant.ftype,
                "threads": task.threads,
                "imatrix": task.imatrix and str(task.imatrix),
            }
        )
        while "done" not in (answer := child.receive()):
            on_tensor(answer["tensor"], answer["of"])
