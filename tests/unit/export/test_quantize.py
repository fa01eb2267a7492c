"""Quantizations: names, sizes, what llama.cpp does with odd shapes, and a child that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgellm.errors import InvalidInput, WorkerDied
from edgellm.export import quantize as door
from edgellm.export.quantize import QUANTS, Task, chosen, estimated_bytes, fallback_note, quantize, stored_kind
from edgellm.gguf_header import GGUFHeader, read_header
from tests.ggufs import GGUF, Tensor


def header(folder: Path, *shapes: tuple[str, tuple[int, ...]]) -> GGUFHeader:
    path = folder / "model.gguf"
    GGUF(tensors=[Tensor(name, shape) for name, shape in shapes]).write(path)
    return read_header(path)


def test_names_are_taken_in_any_case_and_once() -> None:
    assert [quant.name for quant in chosen("q8_0, Q4_K_M,q8_0")] == ["Q8_0", "Q4_K_M"]


@pytest.mark.parametrize(
    ("names", "hint"), [("Q4_K_X", "Did you mean Q4_K_"), ("", "Name one"), ("nonsense", "Known: F32")]
)
def test_an_unknown_name_is_refused_with_advice(names: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        chosen(names)
    assert hint in refused.value.hint


def test_rows_that_are_no_multiple_of_the_block_take_another_type(tmp_path: Path) -> None:
    wide, narrow, odd, vector = header(
        tmp_path, ("a.weight", (512, 4)), ("b.weight", (576, 4)), ("c.weight", (48, 4)), ("n.weight", (512,))
    ).tensors
    kinds = [stored_kind(tensor, QUANTS["Q4_K_M"]).name for tensor in (wide, narrow, odd, vector)]
    assert kinds == ["Q4_K", "Q5_0", "F16", "F32"]


def test_the_estimate_counts_every_tensor_in_its_own_type(tmp_path: Path) -> None:
    found = header(tmp_path, ("token_embd.weight", (256, 10)), ("blk.0.ffn_up.weight", (256, 100)), ("n", (256,)))
    expected = found.data_offset + (2560 * 34 / 32 + 25600 * 144 / 256 + 256 * 4) * 1.12
    assert estimated_bytes(found, QUANTS["Q4_K_M"]) == pytest.approx(expected, rel=0.01)
    assert estimated_bytes(found, QUANTS["F16"]) == found.data_offset + 2 * 2560 + 2 * 25600 + 4 * 256


def test_a_note_says_which_weights_fall_back(tmp_path: Path) -> None:
    found = header(tmp_path, ("a.weight", (576, 4)), ("b.weight", (1536, 4)))
    assert fallback_note(found, QUANTS["Q4_K_M"]) == (
        "1 of 2 weights are stored as Q5_0: their rows (576) are no multiple of 256, as Q4_K needs."
    )
    assert fallback_note(found, QUANTS["Q8_0"]) == ""


def test_few_bits_are_refused_without_an_importance_matrix(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="without an importance matrix"):
        quantize(Task(tmp_path / "a", tmp_path / "b", QUANTS["IQ2_M"]))


class DyingChild:
    """Writes half a file, says so, and dies."""

    def __init__(self, _module: str) -> None:
        self.answers = [{"tensor": 1, "of": 2}]

    def send(self, request: dict[str, Any]) -> None:
        Path(request["target"]).write_bytes(b"GGUF")

    def receive(self) -> dict[str, Any]:
        if not self.answers:
            raise WorkerDied("The process was ended by SIGSEGV.")
        return self.answers.pop()

    def __enter__(self) -> DyingChild:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def test_a_child_that_dies_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "NativeChild", DyingChild)
    seen: list[tuple[int, int]] = []
    with pytest.raises(WorkerDied):
        quantize(Task(tmp_path / "a", tmp_path / "b.gguf", QUANTS["Q8_0"]), lambda *at: seen.append(at))
    assert seen == [(1, 2)]
    assert not (tmp_path / "b.gguf").exists()
