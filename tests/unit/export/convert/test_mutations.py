"""Whatever is written into a folder's JSON, the folder is read or refused; nothing else leaves."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgellm.errors import InvalidInput, ModelRejected
from edgellm.export.convert import write
from edgellm.export.convert.config import Config
from edgellm.export.convert.families import read_family
from edgellm.export.convert.names import folder_name
from edgellm.export.convert.write import convert_folder
from tests.unit.export.convert.folders import CONFIG, write_safetensors

BYTES = [chr(256 + number) for number in range(256)]
"""Stand-ins for the alphabet of byte-level tokenizers; no text is read here."""
VOCABULARY = {text: number for number, text in enumerate(["<s>", "</s>", "ab", *BYTES])}
PLAIN = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
TOKENIZER: dict[str, Any] = {
    "added_tokens": [PLAIN | {"id": 0, "content": "<s>"}],
    "normalizer": None,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
    "post_processor": {
        "type": "Sequence",
        "processors": [{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {}}]}],
    },
    "model": {
        "type": "BPE",
        "vocab": {text: n for n, text in enumerate(["<s>", "</s>", "ab", *BYTES])},
        "merges": ["a b"],
    },
}
TOKENIZER_CONFIG = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": [{"name": "default"}]}
SCALING = {"rope_type": "linear", "factor": 2.0}
MODEL = CONFIG | {
    "vocab_size": len(VOCABULARY),
    "rope_scaling": SCALING,
    "layer_types": None,
    "tie_word_embeddings": True,
}
FILES: dict[str, Any] = {"config.json": MODEL, "tokenizer.json": TOKENIZER, "tokenizer_config.json": TOKENIZER_CONFIG}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "<s>", "Sequence", "longrope", "llama3", "full_attention", "\x00", "\ud800", "x" * 2000]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "type"]), inner, max_size=2),
    max_leaves=6,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON document but the long vocabulary's."""
    if path and path[-1] != "vocab":
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, found in list(inner)[:20]:
        yield from places(found, (*path, key))


PLACES = [(name, path) for name, content in FILES.items() for path in places(content)]


def changed(name: str, path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    files = copy.deepcopy(FILES)
    target = files[name]
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return files


def write_folder(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    family = read_family(Config(folder / "config.json", MODEL))
    header: dict[str, Any] = {}
    data = b""
    for ours, shape in family.shapes().items():
        raw = np.ones(shape, "<f4").tobytes()
        header[folder_name(ours, "qwen2")] = {
            "dtype": "F32",
            "shape": list(shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    write_safetensors(folder / "model.safetensors", header, data)
    return folder


@pytest.fixture(autouse=True)
def no_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison with llama.cpp has tests of its own."""
    monkeypatch.setattr(write, "_check_vocabulary", lambda *_: ())


def test_the_sound_folder_is_converted(tmp_path: Path) -> None:
    assert convert_folder(write_folder(tmp_path, FILES), tmp_path / "out.gguf", "F16").architecture == "qwen2"


@settings(max_examples=100)
@given(place=st.sampled_from(PLACES), value=JSON)
def test_one_changed_value(place: tuple[str, tuple[Any, ...]], value: Any) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_folder(Path(scratch), changed(*place, value))
        try:
            convert_folder(folder, folder / "out.gguf", "F16")
        except (ModelRejected, InvalidInput):
            assert not (folder / "out.gguf").exists()


@settings(max_examples=100)
@given(at=st.integers(0, 1500), byte=st.integers(0, 255))
def test_one_changed_byte_of_a_safetensors_header(at: int, byte: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_folder(Path(scratch), FILES)
        path = folder / "model.safetensors"
        raw = bytearray(path.read_bytes())
        raw[at % len(raw)] = byte
        path.write_bytes(raw)
        try:
            convert_folder(folder, folder / "out.gguf", "F16")
        except ModelRejected:
            assert not (folder / "out.gguf").exists()
