"""GGUF files as folders: mlx_lm opens them and computes what the file does, tokenizer and template included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgellm.adapter_header import read_adapter_header
from edgellm.errors import InvalidInput, ModelRejected
from edgellm.export import to_hf
from edgellm.export.adapter_gguf import Lora, write_adapter_gguf
from edgellm.export.convert.probe import TEXTS
from edgellm.export.convert.write import convert_folder
from edgellm.export.fuse import fuse
from edgellm.export.to_hf import Source
from edgellm.gguf_header import GGUFHeader, raw_metadata, read_header
from edgellm.gguf_tensors import dequantized
from edgellm.gguf_write import copied, write_gguf
from tests.live.logits import kl, llama_logits, mlx_logits
from tests.live.model_folders import CONFIGS, MERGED_TOKENS, make_folder, random_model, retrain, write_sentencepiece
from tests.live.starter import starter_path

pytestmark = pytest.mark.live

TOKENS = [(29 * n * n + 5 * n) % (MERGED_TOKENS - 3) + 3 for n in range(60)]
LONG_CONTEXT = 512
SAME = 1e-5
Numbers = NDArray[np.float32]


def write_folder(*arguments: Any) -> Path:
    written = to_hf.write_folder(*arguments)
    assert written.notes == ()
    return written.path


def open_mlx(folder: Path) -> Any:
    from mlx_lm.utils import load_model

    return load_model(folder)[0]


def gguf_of(place: Path, name: str) -> Path:
    return convert_folder(make_folder(place / "model", CONFIGS[name]), place / "model.gguf", "F32").path


@pytest.mark.parametrize("name", list(CONFIGS))
def test_every_family_comes_back(tmp_path: Path, name: str) -> None:
    folder = write_folder(Source(gguf_of(tmp_path, name)), tmp_path / "back", "mlx", "F32")
    back = mlx_logits(open_mlx(folder), TOKENS)
    assert kl(mlx_logits(random_model(CONFIGS[name]), TOKENS), back) < SAME
    assert kl(llama_logits(tmp_path / "model.gguf", TOKENS, LONG_CONTEXT), back) < SAME


@pytest.mark.parametrize("name", list(CONFIGS))
def test_file_folder_file_is_the_same_file(tmp_path: Path, name: str) -> None:
    first = read_header(gguf_of(tmp_path, name))
    folder = write_folder(Source(first.path), tmp_path / "back", "hf", "F32")
    second = read_header(convert_folder(folder, tmp_path / "again.gguf", "F32").path)
    assert values(first) == values(second)
    for ours, theirs in zip(first.tensors, second.tensors, strict=True):
        assert ours.name == theirs.name
        assert np.allclose(dequantized(first, ours), dequantized(second, theirs), rtol=0, atol=2e-7)


def values(header: GGUFHeader) -> dict[str, Any]:
    """Every value but the name, and the longest text of long-context Phi, which follows from its factor."""
    skipped = ("general.name", "phi3.context_length")
    return {key: list(header.items(key)) or value for key, value in header.metadata.items() if key not in skipped}


@pytest.mark.parametrize("name", ["mistral", "gemma3", "phi3"])
def test_an_adapter_is_added(tmp_path: Path, name: str) -> None:
    base = gguf_of(tmp_path, name)
    header, random = read_header(base), np.random.default_rng(5)
    factors = {
        tensor.name: (drawn(random, tensor.shape[0], 2), drawn(random, 2, tensor.shape[1]))
        for tensor in header.tensors
        if ".attn_" in tensor.name and len(tensor.shape) == 2
    }
    path = tmp_path / "adapter.gguf"
    write_adapter_gguf(path, Lora(header.architecture, 4.0, factors))
    folder = write_folder(Source(base, read_adapter_header(path)), tmp_path / "back", "mlx", "F32")
    found = mlx_logits(open_mlx(folder), TOKENS)
    assert kl(llama_logits(base, TOKENS, LONG_CONTEXT, path), found) < SAME
    assert kl(llama_logits(base, TOKENS, LONG_CONTEXT), found) > 1e-2


def drawn(random: np.random.Generator, *shape: int) -> Numbers:
    return random.normal(0, 0.3, shape).astype(np.float32)


@pytest.mark.slow
def test_the_starter_opens_in_mlx_lm_with_its_tokenizer_and_template(tmp_path: Path) -> None:
    from mlx_lm import load

    base = Path(starter_path())
    model, tokenizer = load(str(write_folder(Source(base), tmp_path / "starter", "mlx", "F32")))[:2]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is Lisbon?"}]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True)  # type: ignore[no-untyped-call]
    assert ids == tokenizer.encode(tokenizer.decode(ids))
    assert tokenizer.eos_token == "<|im_end|>"
    assert kl(llama_full(base, tmp_path, ids), mlx_logits(model, ids)) < 1e-4


@pytest.mark.parametrize("turn_end", ["<end_of_turn>", "<|end|>", "<|eot_id|>"])
def test_answers_end_where_llama_cpp_ends_them(tmp_path: Path, turn_end: str) -> None:
    from mlx_lm.utils import load_config

    model = make_folder(tmp_path / "model", CONFIGS["qwen2"])
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (model / name).read_text().replace("<|im_start|>", turn_end)
        (model / name).write_text(text)
    folder = write_folder(Source(convert_folder(model, tmp_path / "m.gguf", "F16").path), tmp_path / "back", "hf")
    numbers = {
        each["content"]: each["id"] for each in json.loads((folder / "tokenizer.json").read_text())["added_tokens"]
    }
    own = json.loads((folder / "config.json").read_text())["eos_token_id"]
    ends = load_config(folder)["eos_token_id"]
    assert ends[0] == own
    assert set(ends) == {numbers[text] for text in ("<|endoftext|>", "<|im_end|>", turn_end)}


def llama_full(base: Path, place: Path, ids: list[int]) -> Numbers:
    """llama.cpp's logits on the base at full precision."""
    fuse(read_header(base), None, place / "full.gguf", "F32")
    return llama_logits(place / "full.gguf", ids, LONG_CONTEXT)


@pytest.mark.parametrize("kind", ["gpt-2", "llama-bpe", "qwen2", "pieces", "pieces without a space"])
def test_vocabularies_come_back(tmp_path: Path, kind: str) -> None:
    from tokenizers import Tokenizer

    model = make_folder(tmp_path / "model", CONFIGS["qwen2"])
    if kind.startswith("pieces"):
        write_sentencepiece(model, space_first=kind == "pieces")
    else:
        retrain(model, kind)
    path = convert_folder(model, tmp_path / "model.gguf", "F16").path
    folder = write_folder(Source(path), tmp_path / "back", "hf")
    before, after = (Tokenizer.from_file(str(place / "tokenizer.json")) for place in (model, folder))
    for text in TEXTS:
        ids = before.encode(text).ids
        assert after.encode(text).ids == ids
        assert after.decode(ids) == before.decode(ids).removeprefix(" " if kind == "pieces" else "")
    marked = f"one{'<|im_end|>'}two"
    assert after.encode(marked).ids == before.encode(marked).ids


def changed(path: Path, **keys: Any) -> Path:
    header = read_header(path)
    metadata = {**raw_metadata(path), **{key.replace("__", "."): value for key, value in keys.items()}}
    write_gguf(path.with_name("changed.gguf"), metadata, [copied(header, tensor) for tensor in header.tensors])
    return path.with_name("changed.gguf")


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"general__architecture": "mamba"}, "the family 'mamba'"),
        ({"llama__rope__scaling__type": "yarn"}, "the rope scaling 'yarn'"),
        ({"llama__rope__dimension_count": 8}, "a rotation of 8 of 16"),
        ({"tokenizer__ggml__pre": "tekken"}, "cuts text in the way 'tekken'"),
        ({"tokenizer__ggml__model": "bert"}, "a vocabulary of the kind 'bert'"),
        ({"llama__attention__value_length": 8}, "values of another width"),
    ],
)
def test_what_has_no_folder_form_is_refused(tmp_path: Path, keys: dict[str, Any], reason: str) -> None:
    path = changed(gguf_of(tmp_path, "llama"), **keys)
    with pytest.raises(ModelRejected, match=reason):
        write_folder(Source(path), tmp_path / "back", "hf")
    assert not (tmp_path / "back").exists()


def test_factors_that_no_setting_gives_are_refused(tmp_path: Path) -> None:
    path = changed(gguf_of(tmp_path, "llama3-rope"), llama__rope__freq_base=77.0)
    with pytest.raises(ModelRejected, match="rope factors that no known setting gives"):
        write_folder(Source(path), tmp_path / "back", "hf")


def test_the_folder_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = gguf_of(tmp_path, "qwen2")
    folder = write_folder(Source(base), tmp_path / "out" / "back", "hf")
    assert sorted(entry.name for entry in folder.iterdir()) == [
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    with pytest.raises(InvalidInput, match="exists already"):
        write_folder(Source(base), folder, "hf")

    def stop(_source: Path, name: str, *_rest: object) -> memoryview:
        raise RuntimeError(name)

    monkeypatch.setattr(to_hf, "as_bytes", stop)
    with pytest.raises(RuntimeError):
        write_folder(Source(base), tmp_path / "out" / "other", "hf")
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["back"]


def test_weights_say_who_wrote_them_and_events_count_them(tmp_path: Path) -> None:
    events: list[Any] = []
    folder = write_folder(Source(gguf_of(tmp_path, "qwen2")), tmp_path / "back", "mlx", "BF16", events.append)
    raw = (folder / "model.safetensors").read_bytes()
    head = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert head.pop("__metadata__") == {"format": "mlx"}
    assert {entry["dtype"] for entry in head.values()} == {"BF16"}
    assert events[-1].done == events[0].total == sum(e["data_offsets"][1] - e["data_offsets"][0] for e in head.values())
    assert json.loads((folder / "config.json").read_text())["torch_dtype"] == "bfloat16"
