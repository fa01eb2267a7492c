"""Tiny random models as folders and PEFT files: each is read back and compared with its source; mistakes are told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgellm import disk_space
from edgellm.adapter_header import read_adapter_header
from edgellm.errors import DiskFull
from edgellm.events import Finished
from edgellm.export import make_folder, to_hf
from edgellm.export.adapter_gguf import Lora, write_adapter_gguf
from edgellm.export.convert.write import FloatType, convert_folder
from edgellm.export.manifest import Base, Manifest, UsedAdapter, read_manifest
from edgellm.export.order import Kind, Order
from edgellm.export.package import package
from edgellm.export.quantize import QUANTS
from edgellm.export.text import general
from edgellm.gguf_header import read_header
from edgellm.hub.adapters import AdapterManifest, BaseRecord, Shelf
from edgellm.hub.installed import sha256_of
from edgellm.paths import Home, private_dir
from edgellm.sdk.facade import EdgeLLM
from tests.live.logits import kl, llama_logits, mlx_logits
from tests.live.model_folders import CONFIGS, MERGED_TOKENS
from tests.live.model_folders import make_folder as make_model

pytestmark = pytest.mark.live
TOKENS = [(31 * n * n + 7 * n) % (MERGED_TOKENS - 3) + 3 for n in range(60)]
FOLDER = [
    "card.md",
    "config.json",
    "generation_config.json",
    "manifest.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
]
USED = UsedAdapter(name="tax", sha256="", dataset="", dataset_hash="")


def base_of(place: Path, name: str, type: FloatType = "F32") -> Path:
    return convert_folder(make_model(place / "model", CONFIGS[name]), place / "base.gguf", type).path


def adapter_of(base: Path) -> Path:
    """A random one on every attention weight, which changes the base noticeably."""
    header, random = read_header(base), np.random.default_rng(5)
    factors = {
        tensor.name: (_drawn(random, tensor.shape[0], 2), _drawn(random, 2, tensor.shape[1]))
        for tensor in header.tensors
        if ".attn_" in tensor.name and len(tensor.shape) == 2
    }
    write_adapter_gguf(base.with_name("adapter.gguf"), Lora(header.architecture, 4.0, factors))
    return base.with_name("adapter.gguf")


def _drawn(random: np.random.Generator, *shape: int) -> Any:
    return random.normal(0, 0.3, shape).astype(np.float32)


def order(base: Path, kind: Kind, type: FloatType = "F32", adapter: Path | None = None) -> Order:
    header = read_header(base)
    described = Base(
        name="tiny", sha256="", architecture=header.architecture, quantization=type, licence="", parameters=1
    )
    return Order(
        name="tiny",
        kind=kind,
        base=described,
        base_path=base,
        adapter=USED if adapter else None,
        adapter_path=adapter,
        quants=[QUANTS[type]],
        text=general(),
        folder=base.parent / "out" / kind,
    )


def made(wanted: Order) -> Manifest:
    manifest = package(wanted, lambda _: None)
    assert read_manifest(wanted.folder) == manifest
    assert all(path.stat().st_mode & 0o077 == 0 for path in wanted.folder.iterdir())
    return manifest


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("name", ["mistral", "gemma3", "phi3", "llama3-rope"])
def test_a_folder_with_the_adapter_in_its_weights(tmp_path: Path, name: str) -> None:
    from mlx_lm.utils import load_model

    base = base_of(tmp_path, name)
    adapter = adapter_of(base)
    wanted = order(base, "mlx", adapter=adapter)
    manifest = made(wanted)
    assert names(wanted.folder) == FOLDER
    assert manifest.passed
    assert manifest.files[0].verification.comparison.kl_mean < 1e-5
    assert manifest.source_kl < 1e-5
    found = mlx_logits(load_model(wanted.folder)[0], TOKENS)
    assert kl(llama_logits(base, TOKENS, 512, adapter), found) < 1e-5
    assert kl(llama_logits(base, TOKENS, 512), found) > 1e-2


@pytest.mark.parametrize("type", ["F16", "BF16"])
def test_types_of_weights(tmp_path: Path, type: FloatType) -> None:
    wanted = order(base_of(tmp_path, "qwen2"), "hf", type)
    manifest = made(wanted)
    assert manifest.files[0].verification.comparison.kl_mean < QUANTS[type].tolerance * 4  # random weights are rough
    config = json.loads((wanted.folder / "config.json").read_text())
    assert config["torch_dtype"] == {"F16": "float16", "BF16": "bfloat16"}[type]
    assert "read back" in (wanted.folder / "card.md").read_text()


@pytest.mark.parametrize("name", ["mistral", "gemma3", "phi3"])
def test_peft_files(tmp_path: Path, name: str) -> None:
    base = base_of(tmp_path, name)
    wanted = order(base, "peft", adapter=adapter_of(base))
    manifest = made(wanted)
    assert names(wanted.folder) == ["adapter_config.json", "adapter_model.safetensors", "card.md", "manifest.json"]
    assert manifest.passed
    assert manifest.files[0].verification.comparison.kl_max < 1e-6


def test_wrong_weights_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of q and k as llama.cpp wants them, which a folder must not have."""
    base = base_of(tmp_path, "mistral")
    monkeypatch.setattr(to_hf, "unpermuted", lambda rows, _heads: rows)
    manifest = made(order(base, "hf"))
    assert not manifest.passed
    assert manifest.files[0].verification.comparison.kl_mean > 1e-2
    assert "FAILED" in (tmp_path / "out" / "hf" / "card.md").read_text()


def test_a_tokenizer_that_reads_otherwise_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        def encode(self, *_: object, **__: object) -> Any:
            return type("Encoding", (), {"ids": [1, 2, 3]})

    monkeypatch.setattr(make_folder, "folder_tokenizer", lambda _folder: Other())
    manifest = made(order(base_of(tmp_path, "qwen2"), "hf"))
    assert not manifest.passed
    assert not manifest.files[0].verification.same_prompt_tokens
    assert "folder's tokenizer" in manifest.files[0].verification.problems[0]


def test_too_little_disk_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = order(base_of(tmp_path, "qwen2"), "hf")
    monkeypatch.setattr(disk_space, "free_bytes", lambda _: 10**6)
    with pytest.raises(DiskFull):
        package(wanted, lambda _: None)
    assert not wanted.folder.parent.exists()


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[EdgeLLM]:
    with EdgeLLM(home=Home(tmp_path / "data", tmp_path / "cache", tmp_path / "config")) as edge:
        yield edge


def test_jobs_make_each_kind(edge: EdgeLLM, tmp_path: Path) -> None:
    model = edge.models.add(base_of(tmp_path, "mistral"), "tiny")
    draft = private_dir(tmp_path / "draft")
    adapter = adapter_of(tmp_path / "base.gguf")
    read_adapter_header(adapter).check_base(read_header(model.path))
    adapter.rename(draft / "adapter.gguf")
    record = BaseRecord(name="tiny", sha256=sha256_of(model.path), architecture="llama")
    private_dir(edge.home.adapters)
    Shelf(edge.home).admit(draft, AdapterManifest(name="tax", base=record))
    for kind, title in (("hf", "Check the folder"), ("peft", "Check the PEFT files")):
        *events, last = edge.jobs.follow(edge.exports.start("tiny@tax", to=kind).id)  # type: ignore[arg-type]
        assert isinstance(last, Finished), last
        assert last.result["passed"], last.result["files"][0]["verification"]["problems"]
        assert title in [getattr(event, "title", "") for event in events]
        assert edge.exports.show(f"tiny-tax-{kind}").kind == kind
