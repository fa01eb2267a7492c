"""Every family's reading against llama.cpp's, as a training job asks for it; mistakes are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgellm.errors import ModelRejected
from edgellm.export.convert.write import convert_folder
from edgellm.gguf_header import GGUFHeader, read_header
from edgellm.sdk import import_gate
from edgellm.sdk.import_gate import pass_gate
from edgellm.train import base, numerics, reading
from edgellm.train.architecture import Architecture, read_architecture
from edgellm.train.gate import LIMIT_NATS, Gate
from edgellm.train.reading import compare_reading
from tests.live.model_folders import CONFIGS, make_folder

pytestmark = pytest.mark.live


def header_of(place: Path, name: str) -> GGUFHeader:
    return read_header(convert_folder(make_folder(place / name, CONFIGS[name]), place / f"{name}.gguf", "F32").path)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_family_passes(tmp_path: Path, name: str) -> None:
    found = compare_reading(header_of(tmp_path, name), tmp_path)
    assert found.kl < LIMIT_NATS
    assert not found.fault
    assert found.layers == 3 or name.startswith("gemma"), "a small base is read as a whole"
    assert {path.suffix for path in tmp_path.iterdir() if path.is_file()} == {".gguf"}
    assert not list(tmp_path.glob("whole*"))


def test_a_wrong_rotation_is_attention(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(header: GGUFHeader) -> Architecture:
        shape = read_architecture(header)
        return replace(shape, rope=replace(shape.rope, is_interleaved=not shape.rope.is_interleaved))

    monkeypatch.setattr(base, "read_architecture", wrong)
    assert compare_reading(header_of(tmp_path, "qwen3"), tmp_path).fault == "attention"


def test_a_wrong_activation_is_feed_forward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numerics, "swiglu", numerics.geglu)
    assert compare_reading(header_of(tmp_path, "llama"), tmp_path).fault == "feed-forward"


def test_a_wrong_scale_of_the_embedding_is_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "read_architecture", lambda header: replace(read_architecture(header), norm_epsilon=10.0))
    assert compare_reading(header_of(tmp_path, "llama"), tmp_path).fault == "embedding, norm or head"


def test_it_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = header_of(tmp_path, "llama")
    first = pass_gate(header, "hash", tmp_path / "readings", tmp_path / "kernels")
    monkeypatch.setattr(import_gate, "_ask", lambda *_: pytest.fail("asked again"))
    assert pass_gate(header, "hash", tmp_path / "readings", tmp_path / "kernels") == first


def test_a_kept_refusal_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = header_of(tmp_path, "llama")
    monkeypatch.setattr(import_gate, "_ask", lambda *_: Gate(kl=1.0, layers=2, fault="attention"))
    for _ in range(2):
        with pytest.raises(ModelRejected, match="attention"):
            pass_gate(header, "hash", tmp_path / "readings", tmp_path / "kernels")


def test_a_large_base_is_read_in_its_first_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WHOLE_BYTES", 1000)
    found = compare_reading(header_of(tmp_path, "llama"), tmp_path)
    assert (found.layers, found.kl < LIMIT_NATS) == (2, True)
