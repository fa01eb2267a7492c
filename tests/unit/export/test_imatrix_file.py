"""The importance matrix on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgellm import disk_space
from edgellm.errors import InvalidInput
from edgellm.export.imatrix_file import read_means, write_totals
from edgellm.gguf_header import read_header
from edgellm.gguf_write import of_array, write_gguf

PLAIN, EXPERTS = "blk.0.attn_q.weight", "blk.0.ffn_up_exps.weight"


@pytest.fixture(autouse=True)
def small_disk_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 0)


def floats(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_means_are_sums_over_counts_and_an_idle_expert_gets_that_of_the_others(tmp_path: Path) -> None:
    totals = {
        PLAIN: (floats([8, 4, 2]), floats([4])),
        EXPERTS: (floats([2, 4], [0, 0], [6, 6]), floats([2], [0], [3])),
    }
    write_totals(tmp_path / "m.gguf", totals, 3, 256)
    found = read_means(tmp_path / "m.gguf")
    np.testing.assert_array_equal(found[PLAIN], floats([2, 1, 0.5])[0])
    np.testing.assert_allclose(found[EXPERTS], [1, 2, 8 / 5, 10 / 5, 2, 2])


def test_the_file_has_the_form_that_llama_cpp_reads(tmp_path: Path) -> None:
    write_totals(tmp_path / "m.gguf", {PLAIN: (floats([8, 4, 2]), floats([4]))}, 3, 256)
    header = read_header(tmp_path / "m.gguf")
    assert dict(header.metadata) == {
        "general.type": "imatrix",
        "imatrix.datasets": ("EdgeLLM",),
        "imatrix.chunk_count": 3,
        "imatrix.chunk_size": 256,
    }
    assert {tensor.name: tensor.shape for tensor in header.tensors} == {
        f"{PLAIN}.in_sum2": (3, 1),
        f"{PLAIN}.counts": (1, 1),
    }


@pytest.mark.parametrize("kind", ["model", "imatrix"])
def test_what_is_no_matrix_is_refused(tmp_path: Path, kind: str) -> None:
    write_gguf(tmp_path / "m.gguf", {"general.type": kind}, [of_array(PLAIN + ".in_sum2", floats([1]))])
    with pytest.raises(InvalidInput, match="no importance matrix"):
        read_means(tmp_path / "m.gguf")


def test_numbers_of_another_type_are_refused(tmp_path: Path) -> None:
    half = floats([1, 2]).astype(np.float16)
    tensors = [of_array(PLAIN + ".in_sum2", half), of_array(PLAIN + ".counts", floats([1]))]
    write_gguf(tmp_path / "m.gguf", {"general.type": "imatrix"}, tensors)
    with pytest.raises(InvalidInput, match="is F16, not F32"):
        read_means(tmp_path / "m.gguf")
