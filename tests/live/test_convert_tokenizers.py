"""Vocabularies of every kind: the ids of llama.cpp are those of the folder's tokenizer, or the folder is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgellm.errors import ModelRejected
from edgellm.export.convert import tokenizer as convert_tokenizer
from edgellm.export.convert.pretokenizers import GPT2, PATTERNS, SMOLLM, definition_of
from edgellm.export.convert.sentencepiece import normalizer_of
from edgellm.export.convert.write import convert_folder
from edgellm.export.to_hf import Source, write_folder
from edgellm.gguf_header import GGUFHeader, read_header
from tests.live.model_folders import CONFIGS, make_folder, retrain, write_sentencepiece

pytestmark = pytest.mark.live

NAMES = [GPT2, SMOLLM, *PATTERNS.values()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "model", CONFIGS["qwen2"])


def convert(folder: Path) -> GGUFHeader:
    return read_header(convert_folder(folder, folder.with_suffix(".gguf"), "F16").path)


def change(path: Path, **changed: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


@pytest.mark.parametrize("name", NAMES)
def test_every_known_way_of_cutting_text(folder: Path, name: str) -> None:
    retrain(folder, name)
    assert convert(folder).text("tokenizer.ggml.pre") == name


@pytest.mark.parametrize(("real", "taken_for"), [(GPT2, SMOLLM), (SMOLLM, GPT2), ("dbrx", "qwen2"), ("qwen2", GPT2)])
def test_one_taken_for_another_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, real: str, taken_for: str
) -> None:
    retrain(folder, real)
    monkeypatch.setattr(convert_tokenizer, "recognised", lambda _definition, **_rest: taken_for)
    with pytest.raises(ModelRejected, match=r"llama\.cpp reads .* otherwise: token"):
        convert(folder)
    assert not folder.with_suffix(".gguf").exists()


def test_unknown_ways_of_cutting_text_are_refused(folder: Path) -> None:
    known, _ = definition_of("qwen2") or ({}, False)
    known["pretokenizers"][0]["pattern"]["Regex"] += "|x"
    for definition in (known, {"type": "Whitespace"}, None, {"type": "ByteLevel", "add_prefix_space": True}):
        change(folder / "tokenizer.json", pre_tokenizer=definition)
        with pytest.raises(ModelRejected, match="its pre_tokenizer is not one of those known here"):
            convert(folder)


@pytest.mark.parametrize("space_first", [True, False])
def test_sentencepiece(folder: Path, space_first: bool) -> None:
    """Llama 2, Mistral and Phi 3 put a space before a text, Gemma does not."""
    write_sentencepiece(folder, space_first=space_first)
    header = convert(folder)
    assert header.text("tokenizer.ggml.model") == "llama"
    assert header.metadata["tokenizer.ggml.add_space_prefix"] is space_first


def test_pieces_in_another_order_are_refused(folder: Path) -> None:
    write_sentencepiece(folder, space_first=True)
    settings = json.loads((folder / "tokenizer.json").read_text())
    settings["model"]["merges"].reverse()
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    assert convert(folder)  # the scores follow the merges
    settings["normalizer"] = normalizer_of(space_first=False)
    settings["model"]["merges"] = settings["model"]["merges"][::2]
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    with pytest.raises(ModelRejected, match=r"llama\.cpp reads"):
        convert(folder)


def test_special_tokens_template_and_what_is_put_around_a_text(folder: Path) -> None:
    around = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [],
        "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [1], "tokens": ["<|im_start|>"]}},
    }
    change(folder / "tokenizer.json", post_processor=around)
    header = convert(folder)
    found = {key.removeprefix("tokenizer.ggml."): value for key, value in header.metadata.items()}
    assert (found["bos_token_id"], found["eos_token_id"], found["unknown_token_id"]) == (1, 2, 0)
    assert (found["add_bos_token"], found["add_eos_token"]) == (True, False)
    assert "<|im_start|>{{ m.role }}" in (header.text("tokenizer.chat_template") or "")
    assert header.special_tokens() == {0: "<|endoftext|>", 1: "<|im_start|>", 2: "<|im_end|>"}


def test_added_tokens_that_are_not_special_are_found_in_text(folder: Path) -> None:
    settings = json.loads((folder / "tokenizer.json").read_text())
    new = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    settings["added_tokens"] += [new | {"id": 701, "content": "ordered"}, new | {"id": 702, "content": "<|later|>"}]
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    kinds = list(convert(folder).items("tokenizer.ggml.token_type"))
    assert (kinds[701], kinds[702], kinds[703]) == (4, 3, 5)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"model": {"type": "Unigram", "vocab": []}}, "not byte-pair encoding"),
        ({"model": {"type": "BPE", "vocab": {}, "merges": [], "dropout": 0.1}}, "dropout is 0.1"),
        ({"model": {"type": "BPE", "vocab": [], "merges": []}}, "no table 'vocab'"),
        ({"model": {"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}}, "'b' has the id 0, which is taken"),
        ({"model": {"type": "BPE", "vocab": {"a": 10**6}, "merges": []}}, "has the id 1000000"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b c"]}}, "is not a pair of texts"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "byte_fallback": True}}, "256 byte tokens"),
        ({"normalizer": {"type": "Lowercase"}}, "normalizes text"),
        ({"added_tokens": [{"id": 9999, "content": "x"}]}, "added token 'x' has the id 9999"),
        ({"post_processor": {"type": "BertProcessing"}}, "post_processor 'BertProcessing'"),
    ],
)
def test_refused_tokenizers(folder: Path, changed: dict[str, Any], reason: str) -> None:
    change(folder / "tokenizer.json", **changed)
    with pytest.raises(ModelRejected, match=reason):
        convert(folder)


def test_a_folder_without_a_fast_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelRejected, match=r"tokenizer.json'.*it is missing"):
        convert(folder)


def test_a_special_token_that_does_not_exist_is_refused(folder: Path) -> None:
    change(folder / "tokenizer_config.json", eos_token="<|nowhere|>")
    with pytest.raises(ModelRejected, match=r"'<\|nowhere\|>' is not in the vocabulary"):
        convert(folder)


@pytest.mark.parametrize(
    "template", ["own", [{"name": "default", "template": "own"}, {"name": "tools", "template": "other"}]]
)
def test_where_the_template_comes_from(folder: Path, template: Any) -> None:
    change(folder / "tokenizer_config.json", chat_template=template)
    assert convert(folder).text("tokenizer.chat_template") == "own"
    (folder / "chat_template.jinja").write_text("first")
    assert convert(folder).text("tokenizer.chat_template") == "first"


def test_tokens_that_eat_the_space_after_them_are_noted(folder: Path) -> None:
    settings = json.loads((folder / "tokenizer.json").read_text())
    assert convert_folder(folder, folder.with_suffix(".gguf"), "F16").notes == ()
    settings["added_tokens"][1]["rstrip"] = True
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    (note,) = convert_folder(folder, folder.with_suffix(".gguf"), "F16").notes
    assert note == ("llama.cpp reads spaces beside '<|im_start|>' otherwise, for example in '<|im_start|> one'.")


def test_phi_3_keeps_the_name_by_which_llama_cpp_strips_spaces(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "tuned", CONFIGS["phi3"])
    write_sentencepiece(folder, space_first=True, special=("<s>", "</s>", "<|endoftext|>", "<|user|>"))
    settings = json.loads((folder / "tokenizer.json").read_text())
    for token in settings["added_tokens"]:
        token["rstrip"] = token["content"] in ("</s>", "<|user|>")
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    done = convert_folder(folder, tmp_path / "out.gguf", "F16")
    assert done.notes == ()
    assert read_header(done.path).text("general.name") == "tuned (Phi-3)"
    back = write_folder(Source(done.path), tmp_path / "back", "hf")
    assert back.notes == ()
    again = json.loads((back.path / "tokenizer.json").read_text())
    assert again["added_tokens"] == settings["added_tokens"]


def test_a_folder_that_is_called_phi_3_opens_with_any_vocabulary(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "my-Phi-3-mini", CONFIGS["phi3"])
    assert convert(folder).text("general.name") == "my-Phi 3-mini"
