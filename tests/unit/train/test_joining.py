"""What is refused before a process joins a run."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from edgellm.gguf_header import read_header
from edgellm.hub.installed import Library
from edgellm.train import joining
from edgellm.train.architecture import read_architecture
from edgellm.train.joining import Package, join, package
from edgellm.train.plan import plan_run
from edgellm.train.ring import Member
from edgellm.train.rows import Row, RowSets, write_rows
from edgellm.train.settings import TrainSettings
from edgellm.train.spec import Broke, RunSpec, read_spec, understand, write_spec
from tests.ggufs import F32, GGUF, model_keys
from tests.unit.train.tiny import rows


class NoModels:
    """A library without the base."""

    def list(self) -> list[Any]:
        return []


def said(stdin: bytes, cache: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Broke:
    assert join(cast(io.RawIOBase, io.BytesIO(stdin)), cast(Library, NoModels()), cache) == 1
    saying = understand(capfdbinary.readouterr().out)
    assert isinstance(saying, Broke)
    return saying


@pytest.mark.parametrize("stdin", [b"", b"hello", struct.pack(">Q", 9) + b"short", struct.pack(">Q", 2**62)])
def test_something_else_on_standard_input_is_refused(
    stdin: bytes, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert "--hosts FILE" in said(stdin, tmp_path, capfdbinary).hint


def test_another_version_is_told(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    content = msgspec.msgpack.encode({"rank": 1})
    assert "another version" in said(struct.pack(">Q", len(content)) + content, tmp_path, capfdbinary).message


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_rows(tmp_path / "rows.msgpack", RowSets(train=tuple(rows(3))))
    spec = RunSpec(base="/here/base.gguf", rows=str(tmp_path / "rows.msgpack"), settings=TrainSettings(), plan_hash="p")
    write_spec(tmp_path / "spec.json", spec)
    for name in ("step-00000002", "step-00000004", ".step-00000006.part"):
        folder = tmp_path / "checkpoints" / name
        folder.mkdir(parents=True)
        (folder / "progress.json").write_text(name)
    return tmp_path


def test_a_machine_without_the_base_says_so(run: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    sent = package(run, "ab" * 32, [Member("10.0.0.1", 1), Member("10.0.0.2", 1, "you")], 1)
    assert "does not have the base that is taught (SHA-256 abababababab" in said(sent, run, capfdbinary).message


def test_a_machine_without_room_for_its_part_says_so(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    epsilon = {"llama.attention.layer_norm_rms_epsilon": struct.pack("<If", F32, 1e-5)}
    header = read_header(GGUF(keys=model_keys() | epsilon).write(tmp_path / "base.gguf"))
    installed = SimpleNamespace(path=header.path, sha256="ab" * 32)
    library = SimpleNamespace(list=lambda: [installed], inspect=lambda _path: None)
    sets = RowSets(train=tuple(Row((1,) * 300, ((1, 300),)) for _ in range(6)))
    write_rows(run / "rows.msgpack", sets)
    shape, settings = read_architecture(header), read_spec(run / "spec.json").settings
    part = plan_run(shape, sets, settings, header.parameters, members=2).total_bytes
    assert part < plan_run(shape, sets, settings, header.parameters).total_bytes
    monkeypatch.setattr(joining, "probe", lambda: SimpleNamespace(available_bytes=part - 1))
    sent = package(run, "ab" * 32, [Member("10.0.0.1", 1), Member("10.0.0.2", 1, "you")], 1)
    assert join(cast(io.RawIOBase, io.BytesIO(sent)), cast(Library, library), tmp_path) == 1
    saying = understand(capfdbinary.readouterr().out)
    assert isinstance(saying, Broke)
    assert saying.error == "ModelDoesNotFit"
    assert re.match("On the machine '.*': Training needs about .* are free", saying.message)
    assert "Use a smaller base" not in saying.message
    assert "Use a smaller base" in saying.hint
    joining._refuse_if_too_large(
        RunSpec(base=str(header.path), rows=str(run / "rows.msgpack"), settings=settings, plan_hash="p"), 3
    )  # of a third there is room


def test_the_newest_checkpoint_goes_along(run: Path) -> None:
    sent = package(run, "ab" * 32, [Member("10.0.0.1", 1), Member("10.0.0.2", 1, "you")], 1)
    packed = msgspec.msgpack.decode(sent[8:], type=Package)
    assert (packed.rank, packed.members, packed.checkpoint) == (1, ["10.0.0.1:1", "10.0.0.2:1"], "step-00000004")
    assert packed.checkpoint_files == {"progress.json": b"step-00000004"}
    assert packed.rows == (run / "rows.msgpack").read_bytes()


def test_an_adapter_that_goes_on_learning_goes_along(run: Path) -> None:
    members = [Member("10.0.0.1", 1), Member("10.0.0.2", 1, "you")]
    assert msgspec.msgpack.decode(package(run, "ab" * 32, members, 1)[8:], type=Package).start == b""
    (run / "start.safetensors").write_bytes(b"numbers")
    spec = msgspec.structs.replace(read_spec(run / "spec.json"), start=str(run / "start.safetensors"))
    write_spec(run / "spec.json", spec)
    assert msgspec.msgpack.decode(package(run, "ab" * 32, members, 1)[8:], type=Package).start == b"numbers"
