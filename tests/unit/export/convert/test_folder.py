"""Folders with code, pickles or paths that lead elsewhere are refused before anything of them is used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgellm.errors import ModelRejected
from edgellm.export.convert.folder import INDEX, open_folder
from tests.unit.export.convert.folders import CONFIG, entry, make_folder, write_safetensors

AUTO_MAP = {"auto_map": {"AutoModel": "modeling.Evil"}}


def refused(folder: Path, reason: str) -> ModelRejected:
    with pytest.raises(ModelRejected, match=reason) as caught:
        open_folder(folder)
    return caught.value


def test_a_sound_folder_opens(tmp_path: Path) -> None:
    folder = open_folder(make_folder(tmp_path / "model", tokenizer__json='{"a": 1}'))
    assert list(folder.tensors) == ["model.norm.weight"]
    assert folder.table("tokenizer.json") == {"a": 1}
    assert folder.text("chat_template.jinja") is None


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.PTH", "scaler.pkl", "last.ckpt"])
def test_pickles(tmp_path: Path, name: str) -> None:
    folder = make_folder(tmp_path / "model")
    (folder / name).write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert str(folder / name) in refused(folder, "pickles can run code").message


@pytest.mark.parametrize("name", ["modeling.py", "helper.so", "setup.sh"])
def test_code(tmp_path: Path, name: str) -> None:
    folder = make_folder(tmp_path / "model")
    (folder / name).write_text("raise SystemExit(13)")
    refused(folder, "must not bring code")


@pytest.mark.parametrize("config", [AUTO_MAP, {"text_config": AUTO_MAP}, {"parts": [AUTO_MAP]}])
def test_a_configuration_that_names_code(tmp_path: Path, config: dict[str, object]) -> None:
    refused(make_folder(tmp_path / "model", CONFIG | config), "names code to run")


def test_a_tokenizer_that_names_code(tmp_path: Path) -> None:
    refused(make_folder(tmp_path / "model", tokenizer_config__json=json.dumps(AUTO_MAP)), "names code to run")


@pytest.mark.parametrize(
    "shard", ["../model.safetensors", "/etc/passwd", "a/b.safetensors", "x.bin", "", 3, ".safetensors"]
)
def test_an_index_that_leads_elsewhere(tmp_path: Path, shard: object) -> None:
    index = json.dumps({"weight_map": {"model.norm.weight": shard}})
    folder = make_folder(tmp_path / "model")
    (folder / INDEX).write_text(index)
    refused(folder, "no shard of this folder")


def test_an_index_that_disagrees_with_its_shards(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model")
    for weights in ({"model.norm.weight": "model.safetensors", "more": "model.safetensors"}, {}):
        (folder / INDEX).write_text(json.dumps({"weight_map": weights}))
        if weights:
            refused(folder, "'more' of 'model.safetensors' is only in the index or only in the shard")
    (folder / INDEX).write_text(json.dumps({"weight_map": {"model.norm.weight": "model-2.safetensors"}}))
    refused(folder, "cannot be read")
    (folder / INDEX).write_text("{}")
    refused(folder, "no table 'weight_map'")


def test_shards_without_an_index(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model")
    write_safetensors(folder / "model-2.safetensors", {"b": entry(0, 4)}, bytes(4))
    write_safetensors(folder / "adapters.safetensors", {"c": entry(0, 4)}, bytes(4))
    assert sorted(open_folder(folder).tensors) == ["b", "model.norm.weight"]
    write_safetensors(folder / "model-3.safetensors", {"b": entry(0, 4)}, bytes(4))
    refused(folder, "'b' is also in 'model-2.safetensors'")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer_config.json", INDEX])
def test_links(tmp_path: Path, name: str) -> None:
    folder = make_folder(tmp_path / "model", tokenizer_config__json="{}")
    (tmp_path / "elsewhere").write_text("{}")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path / "elsewhere")
    refused(folder, "symbolic link")


def test_a_link_to_nothing_is_refused_too(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model")
    (folder / "tokenizer_config.json").symlink_to(tmp_path / "nothing")
    refused(folder, "symbolic link")


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model")
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    refused(folder, "not a regular file")


@pytest.mark.parametrize("content", ["", "[]", "{'a': 1}", '{"a": Infinity}', '{"a":' * 100_000])
def test_a_configuration_that_is_no_table(tmp_path: Path, content: str) -> None:
    folder = make_folder(tmp_path / "model")
    (folder / "config.json").write_text(content)
    refused(folder, "not a JSON table")


def test_what_is_no_model_folder(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "not a folder")
    refused(tmp_path, "no config.json")
    folder = make_folder(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    refused(folder, r"no model\*.safetensors")


def test_a_text_that_is_too_long_or_no_text(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model")
    (folder / "config.json").write_bytes(b" " * (4 * 1024**2 + 1))
    refused(folder, "longer than")
    (folder / "config.json").write_bytes(b'{"a": "\xff"}')
    refused(folder, "not UTF-8")


def test_a_refusal_imports_nothing_heavy(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model", CONFIG | AUTO_MAP)
    code = (
        "import sys\nfrom pathlib import Path\nfrom edgellm.export.convert.write import convert_folder\n"
        f"try:\n    convert_folder(Path({str(folder)!r}), Path({str(tmp_path / 'out.gguf')!r}), 'F16')\n"
        "except Exception as error:\n    print(type(error).__name__)\n"
        "heavy = {'numpy', 'mlx', 'llama_cpp', 'tokenizers', 'transformers', 'torch'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["ModelRejected", "[]"]
    assert not (tmp_path / "out.gguf").exists()
