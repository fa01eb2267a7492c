"""Headers that lie are refused before a byte of weights is mapped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgellm.errors import ModelRejected
from edgellm.export.convert.safetensors import MAX_HEADER_BYTES, read_entries
from tests.unit.export.convert.folders import entry, write_safetensors

NAN_SHAPE = b'{"a": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 16]}}'


def one(**changed: Any) -> dict[str, Any]:
    return {"a": entry(0, 16) | changed}


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"[]", "not the JSON"),
        (b"{not json", "not the JSON"),
        (b'{"a":' * 100_000, "not the JSON"),
        (NAN_SHAPE, "not the JSON"),
        (b'{"\xff": 1}', "not the JSON"),
        ({"a": 3}, "not a type, a shape and two offsets"),
        ({"a": {"dtype": "F32"}}, "not a type, a shape and two offsets"),
        (one(dtype="F31"), "unknown type 'F31'"),
        (one(dtype=["F32"]), "unknown type"),
        (one(shape=[-4]), "impossible shape"),
        (one(shape=[4.0]), "impossible shape"),
        (one(shape=[True]), "impossible shape"),
        (one(shape="4"), "impossible shape"),
        (one(shape=[2**40, 2**40]), "impossible shape"),
        (one(shape=[2**70]), "impossible shape"),
        (one(shape=[1] * 9), "impossible shape"),
        (one(data_offsets=[0]), "impossible offsets"),
        (one(data_offsets=[-16, 0]), "impossible offsets"),
        (one(data_offsets=[16, 0]), "-16 bytes; its shape needs 16"),
        (one(shape=[5]), "16 bytes; its shape needs 20"),
        (one(data_offsets=[16, 32]), "leaves a gap"),
        (one() | {"b": entry(0, 16)}, "overlaps"),
        (one() | {"b": entry(8, 16)}, "overlaps"),
        (one() | {"b": entry(16, 16)}, "end at byte"),
        ({}, "end at byte"),
    ],
)
def test_refused_headers(tmp_path: Path, header: Any, reason: str) -> None:
    path = write_safetensors(tmp_path / "model.safetensors", header, bytes(16))
    with pytest.raises(ModelRejected, match=reason) as caught:
        read_entries(path)
    assert caught.value.facts["path"] == str(path)


@pytest.mark.parametrize("length", [0, 1, 10**6, MAX_HEADER_BYTES + 1, 2**63, 2**64 - 1])
def test_refused_lengths_of_a_header(tmp_path: Path, length: int) -> None:
    path = write_safetensors(tmp_path / "model.safetensors", one(), bytes(16), length)
    with pytest.raises(ModelRejected, match="its header has"):
        read_entries(path)


def test_a_file_that_is_too_short_for_a_length(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\x08\0\0")
    with pytest.raises(ModelRejected, match="the file has 3"):
        read_entries(path)


def test_a_link_is_refused_with_a_way_out(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "real", one(), bytes(16))
    (tmp_path / "model.safetensors").symlink_to("real")
    with pytest.raises(ModelRejected, match=r"symbolic link.*cp -rL"):
        read_entries(tmp_path / "model.safetensors")


def test_rows_of_every_float(tmp_path: Path) -> None:
    values = np.array([[1.5, -2.0], [0.25, 96.0]], dtype=np.float32)
    stored = {
        "F32": values.tobytes(),
        "F16": values.astype(np.float16).tobytes(),
        "BF16": (values.view(np.uint32) >> 16).astype(np.uint16).tobytes(),
    }
    for dtype, data in stored.items():
        header = {
            "a": {"dtype": dtype, "shape": [2, 2], "data_offsets": [0, len(data)]},
            "__metadata__": {"format": "pt"},
        }
        found = read_entries(write_safetensors(tmp_path / dtype, header, data))["a"]
        assert found.rows().tolist() == values.tolist()
        assert found.rows(1, 2).tolist() == values[1:].tolist()


def test_a_type_without_weights_is_refused_when_it_is_read(tmp_path: Path) -> None:
    found = read_entries(write_safetensors(tmp_path / "a", one(dtype="I32"), bytes(16)))["a"]
    with pytest.raises(ModelRejected, match="'I32'; F32, F16 and BF16"):
        found.rows()


def test_a_file_that_shrank_meanwhile_is_refused(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "a", one(), bytes(16))
    found = read_entries(path)["a"]
    path.write_bytes(json.dumps(one()).encode())
    with pytest.raises(ModelRejected, match="became shorter"):
        found.rows()
