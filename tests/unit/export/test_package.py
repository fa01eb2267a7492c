"""The export folder appears whole or not at all; native work is done by fakes."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgellm import disk_space
from edgellm.errors import DiskFull, InvalidInput, WorkerDied
from edgellm.events import JobEvent, Started
from edgellm.export import imatrix, workshop
from edgellm.export import make_gguf as door
from edgellm.export.imatrix import Windows
from edgellm.export.make_gguf import chosen_precision, needed_bytes
from edgellm.export.manifest import MANIFEST, read_manifest
from edgellm.export.order import Order
from edgellm.export.package import package
from edgellm.export.quantize import QUANTS, Task
from edgellm.export.text import Text
from edgellm.export.verify import verdict
from edgellm.export.workshop import Workshop, is_full_precision
from edgellm.gguf_header import read_header
from tests.ggufs import GGUF, Tensor
from tests.unit.export.samples import comparison, continuation, manifest

PIECES = Windows([[1, 2, 3]], [[4, 5]])


class FakeReference:
    """Finds every file close but those named in `far`."""

    far: Sequence[str] = ()

    def __init__(self, path: Path, texts: Any, folder: Path, _adapter: Path | None) -> None:
        assert path.exists()
        assert folder.is_dir()
        self.texts = texts

    def check(self, path: Path, quant: Any) -> Any:
        assert path.read_bytes() == b"quantized"
        return verdict(quant, comparison(9.0 if quant.name in self.far else 0.0), True, [(continuation(1),) * 2])

    def __enter__(self) -> FakeReference:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def fake_quantize(task: Task, on_tensor: Any) -> None:
    task.target.write_bytes(b"quantized")
    on_tensor(1, 2)


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Order:
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 0)
    monkeypatch.setattr(workshop, "Reference", FakeReference)
    monkeypatch.setattr(door, "quantize", fake_quantize)
    monkeypatch.setattr(workshop, "source_divergence", lambda *_: 0.002)
    monkeypatch.setattr(Workshop, "windows", lambda *_: PIECES)
    monkeypatch.setattr(imatrix, "measure", lambda _model, _texts, target, _told: target.write_bytes(b"m"))
    GGUF(tensors=[Tensor("token_embd.weight", (32, 8), 2), Tensor("blk.0.n.weight", (32,))]).write(tmp_path / "b.gguf")
    return Order(
        name="m",
        base=manifest().base,
        base_path=tmp_path / "b.gguf",
        quants=[QUANTS["Q8_0"], QUANTS["F16"]],
        text=Text("own words", "one two three", "parts of own words"),
        folder=tmp_path / "out" / "m",
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_has_the_files_the_manifest_and_the_card_and_nothing_else(order: Order) -> None:
    events: list[JobEvent] = []
    made = package(order, events.append)
    assert names(order.folder) == ["card.md", "m-F16.gguf", "m-Q8_0.gguf", MANIFEST]
    assert names(order.folder.parent) == ["m"]
    assert read_manifest(order.folder) == made
    assert [file.with_imatrix for file in made.files] == [True, False]
    assert made.passed
    assert made.source_kl == 0.002
    assert all(path.stat().st_mode & 0o077 == 0 for path in order.folder.iterdir())
    titles = [event.title for event in events if isinstance(event, Started)]
    assert titles[:3] == ["Write F16 weights", "Compare with the base", "Measure what matters"]
    assert titles[-2:] == ["Quantize F16", "Check F16"]


def test_a_file_that_is_too_far_away_is_kept_and_marked(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeReference, "far", ["Q8_0"])
    made = package(order, lambda _: None)
    assert [file.verification.passed for file in made.files] == [False, True]
    assert "FAILED" in (order.folder / "card.md").read_text()


def test_each_file_is_shown_before_it_goes(order: Order) -> None:
    shown: list[tuple[str, bytes]] = []
    watched = replace(order, keeps_files=False, on_file=lambda name, path: shown.append((name, path.read_bytes())))
    package(watched, lambda _: None)
    assert shown == [("Q8_0", b"quantized"), ("F16", b"quantized")]


def test_a_comparison_keeps_nothing(order: Order) -> None:
    made = package(replace(order, keeps_files=False), lambda _: None)
    assert [file.file for file in made.files] == ["", ""]
    assert made.files[0].size_bytes == len(b"quantized")
    assert names(order.folder.parent) == []


def test_full_precision_without_adapter_is_not_written_again(order: Order) -> None:
    GGUF(tensors=[Tensor("token_embd.weight", (32, 8), 1)]).write(order.base_path)
    events: list[JobEvent] = []
    made = package(replace(order, quants=[QUANTS["F16"]]), events.append)
    assert made.source_kl == 0
    assert [event.title for event in events if isinstance(event, Started)] == [
        "Measure the source",
        "Quantize F16",
        "Check F16",
    ]
    assert order.base_path.exists()


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (WorkerDied("died"), WorkerDied),
        (OSError(errno.ENOSPC, "No space left on device"), DiskFull),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_whatever_goes_wrong_nothing_stays(
    order: Order, monkeypatch: pytest.MonkeyPatch, failure: BaseException, expected: type[BaseException]
) -> None:
    def fails(task: Task, _on_tensor: Any) -> None:
        task.target.write_bytes(b"half")
        raise failure

    monkeypatch.setattr(door, "quantize", fails)
    with pytest.raises(expected):
        package(order, lambda _: None)
    assert names(order.folder.parent) == []


def test_too_little_disk_is_refused_before_anything_is_written(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "free_bytes", lambda _: 100)
    with pytest.raises(DiskFull):
        package(order, lambda _: None)
    assert not order.folder.parent.exists()


def test_a_taken_folder_is_refused_and_left_alone(order: Order) -> None:
    order.folder.mkdir(parents=True)
    (order.folder / "mine.txt").write_text("mine")
    with pytest.raises(InvalidInput, match="exists already"):
        package(order, lambda _: None)
    assert names(order.folder) == ["mine.txt"]


def test_a_folder_that_appears_meanwhile_is_not_overwritten(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    def quantizes_while_another_finishes(task: Task, on_tensor: Any) -> None:
        order.folder.mkdir(exist_ok=True)
        (order.folder / "theirs.txt").write_text("theirs")
        fake_quantize(task, on_tensor)

    monkeypatch.setattr(door, "quantize", quantizes_while_another_finishes)
    with pytest.raises(InvalidInput, match="by now"):
        package(order, lambda _: None)
    assert names(order.folder.parent) == ["m"]
    assert names(order.folder) == ["theirs.txt"]


def test_what_a_killed_export_left_goes_with_the_next(order: Order) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    parent = order.folder.parent
    for left in (f".x.export-{dead.pid}.part", ".y.export-1.part", ".mine.part"):
        (parent / left).mkdir(parents=True)
    package(order, lambda _: None)
    assert names(parent) == [".mine.part", ".y.export-1.part", "m"]


def test_precision_follows_the_base_and_the_wish(order: Order) -> None:
    base = read_header(order.base_path)
    assert chosen_precision(base, [QUANTS["Q4_0"]]) == "F16"
    assert chosen_precision(base, [QUANTS["F32"]]) == "F32"
    assert not is_full_precision(base)
    GGUF(tensors=[Tensor("token_embd.weight", (32, 8), 0)]).write(order.base_path)
    single = read_header(order.base_path)
    assert chosen_precision(single, [QUANTS["Q4_0"]]) == "F32"
    assert is_full_precision(single)


def test_a_comparison_needs_room_for_one_file_at_a_time(order: Order) -> None:
    base = read_header(order.base_path)
    compared = replace(order, keeps_files=False)
    assert needed_bytes(base, compared) < needed_bytes(base, order)
