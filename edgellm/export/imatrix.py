"""The importance matrix: which input columns of each weight matter for a text, so that quantizing spares them.

Mean squared activations by column, as llama.cpp's imatrix tool measures them
(https://github.com/ggml-org/llama.cpp/tree/master/tools/imatrix).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgellm.engine.native import NativeChild
from edgellm.errors import InvalidInput

WINDOW_TOKENS = 256
MOST_CALIBRATION = 12
"""Windows that are read for the matrix; a thousand tokens give most of the gain."""
MOST_HELD_OUT = 3
LEAST_TOKENS = 128
HELD_OUT_EVERY = 4


@dataclass(frozen=True, slots=True)
class Windows:
    """A text in pieces for two purposes, which share no token."""

    calibration: list[list[int]]
    held_out: list[list[int]]
    """What verification measures on."""


def windows(tokens: Sequence[int], beginning: Sequence[int] = (), held_out: Sequence[int] | None = None) -> Windows:
    """Cut a text into windows, each of which starts with `beginning` (BOS).

    held_out: another text, which verifies; without one every fourth window (the last of four) does.
    Raises: InvalidInput for a text of fewer than `LEAST_TOKENS` tokens.
    """
    if len(tokens) < LEAST_TOKENS:
        raise InvalidInput(
            f"The text has {len(tokens)} tokens; to calibrate and verify it must have {LEAST_TOKENS}.",
            hint="Give a longer text.",
            field="text",
        )
    if held_out is not None:
        return Windows(
            calibration=_cut(tokens, WINDOW_TOKENS, beginning)[:MOST_CALIBRATION],
            held_out=_cut(held_out, WINDOW_TOKENS, beginning)[:MOST_HELD_OUT],
        )
    pieces = _cut(tokens, len(tokens) // HELD_OUT_EVERY, beginning)
    is_held_out = [number % HELD_OUT_EVERY == HELD_OUT_EVERY - 1 for number in range(len(pieces))]
    return Windows(
        calibration=[piece for piece, held in zip(pieces, is_held_out, strict=True) if not held][:MOST_CALIBRATION],
        held_out=[piece for piece, held in zip(pieces, is_held_out, strict=True) if held][:MOST_HELD_OUT],
    )


def _cut(tokens: Sequence[int], most: int, beginning: Sequence[int]) -> list[list[int]]:
    """Windows of one width, without what is left at the end."""
    width = min(WINDOW_TOKENS, most, len(tokens))
    return [[*beginning, *tokens[at : at + width]] for at in range(0, len(tokens) - width + 1, width)]


def measure(
    model: Path, texts: Sequence[Sequence[int]], target: Path, on_tokens: Callable[[int], None] = lambda _: None
) -> int:
    """Read the texts with a GGUF model, in a child process, and write the matrix to `target`.

    Returns: the number of weights it covers. Raises: EngineError when this llama.cpp's tensors cannot be read;
    ModelLoadFailed, WorkerDied.
    """
    with NativeChild("edgellm.export.imatrix_child") as child:
        child.send({"path": str(model), "texts": [list(text) for text in texts], "target": str(target)})
        while "weights" not in (answer := child.receive()):
            on_tokens(answer["tokens"])
        weights: int = answer["weights"]
        return weights
