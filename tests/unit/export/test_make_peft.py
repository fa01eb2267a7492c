"""An adapter's PEFT files in an export folder; llama.cpp is a fake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgellm import disk_space
from edgellm.export import workshop
from edgellm.export.adapter_gguf import read_adapter_gguf, write_adapter_gguf
from edgellm.export.imatrix import Windows
from edgellm.export.make_peft import needed_bytes
from edgellm.export.manifest import MANIFEST, UsedAdapter
from edgellm.export.order import Order
from edgellm.export.package import package
from edgellm.export.quantize import QUANTS
from edgellm.export.text import Text
from edgellm.export.verify import verdict
from edgellm.export.workshop import Workshop
from edgellm.gguf_header import read_header
from edgellm.gguf_write import of_array, write_gguf
from tests.ggufs import GGUF, Tensor
from tests.unit.export.loras import random_lora
from tests.unit.export.samples import comparison, continuation, manifest

SHAPES = {"blk.0.attn_q.weight": (32, 32)}


class FakeReference:
    """Remembers the adapters that it was given."""

    seen: tuple[Path | None, Any] = (None, None)

    def __init__(self, path: Path, texts: Any, _folder: Path, adapter: Path | None) -> None:
        assert path.name == "base.gguf"
        self.texts = texts
        self._adapter = adapter

    def check(self, path: Path, quant: Any, adapter: Path) -> Any:
        assert path.name == "base.gguf"
        FakeReference.seen = (self._adapter, read_adapter_gguf(adapter))
        return verdict(quant, comparison(0.0), True, [(continuation(1),) * 2])

    def __enter__(self) -> FakeReference:
        return self

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Order:
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 0)
    monkeypatch.setattr(workshop, "Reference", FakeReference)
    monkeypatch.setattr(Workshop, "windows", lambda *_: Windows([[1, 2, 3]], [[4, 5]]))
    GGUF(tensors=[Tensor("token_embd.weight", (32, 8)), Tensor("blk.0.attn_q.weight", (32, 32))]).write(
        tmp_path / "base.gguf"
    )
    write_adapter_gguf(tmp_path / "adapter.gguf", random_lora(SHAPES))
    return Order(
        name="m",
        kind="peft",
        base=manifest().base,
        base_path=tmp_path / "base.gguf",
        adapter=UsedAdapter(name="tax", sha256="", dataset="", dataset_hash=""),
        adapter_path=tmp_path / "adapter.gguf",
        quants=[QUANTS["F32"]],
        text=Text("own words", "one two three", "parts of own words"),
        folder=tmp_path / "out" / "m",
    )


def test_the_folder_has_the_adapter_and_what_was_measured(order: Order) -> None:
    made = package(order, lambda _: None)
    names = sorted(path.name for path in order.folder.iterdir())
    assert names == ["adapter_config.json", "adapter_model.safetensors", "card.md", MANIFEST]
    assert (made.kind, made.passed, made.files[0].file) == ("peft", True, "adapter_model.safetensors")
    assert json.loads((order.folder / "adapter_config.json").read_text())["base_model_name_or_path"] == "starter"


def test_what_was_read_back_is_compared_with_the_adapter_itself(order: Order) -> None:
    package(order, lambda _: None)
    served, back = FakeReference.seen
    assert served == order.adapter_path
    wanted = random_lora(SHAPES)
    assert back.alpha == wanted.alpha
    np.testing.assert_array_equal(back.factors["blk.0.attn_q.weight"][1], wanted.factors["blk.0.attn_q.weight"][1])


def test_an_adapter_without_an_alpha_is_not_scaled(order: Order) -> None:
    a, b = random_lora(SHAPES).factors["blk.0.attn_q.weight"]
    kind = {"general.architecture": "llama", "general.type": "adapter", "adapter.type": "lora"}
    halves = [of_array("blk.0.attn_q.weight.lora_a", a.T.copy()), of_array("blk.0.attn_q.weight.lora_b", b.T.copy())]
    assert order.adapter_path is not None
    write_gguf(order.adapter_path, {**kind, "adapter.lora.alpha": 0.0}, halves)
    package(order, lambda _: None)
    config = json.loads((order.folder / "adapter_config.json").read_text())
    assert config["lora_alpha"] / config["r"] == 1


def test_room_is_needed_for_the_adapter_not_for_the_base(order: Order) -> None:
    base = read_header(order.base_path)
    assert order.adapter_path is not None
    before = needed_bytes(base, order)
    with order.adapter_path.open("ab") as file:
        file.write(bytes(1000))
    assert needed_bytes(base, order) == before + 8000
