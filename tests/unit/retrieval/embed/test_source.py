"""What an embedder's folder says of itself, and what makes it refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edgellm.errors import ModelRejected
from edgellm.retrieval.embed.source import read_source
from tests.unit.retrieval.embed import folders
from tests.unit.retrieval.embed.folders import SHAPE, TOKENS, changed, make_folder, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "tiny")


def test_a_folder_is_read(folder: Path) -> None:
    source = read_source(folder, "tiny")
    assert source.shape == SHAPE
    assert source.pooling == "mean"
    identity = source.identity
    assert (identity.name, identity.dimensions, identity.max_tokens) == ("tiny", SHAPE.width, 32)
    assert identity.sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert (identity.query_prefix, identity.passage_prefix) == ("", "")
    assert source.rules.cls == TOKENS.index("[CLS]")
    assert source.rules.strips_accents


def test_prefixes_and_the_newer_way_of_naming_the_pooling_are_read(folder: Path) -> None:
    write(
        folder / "config_sentence_transformers.json", {"prompts": {"query": "query: ", "document": "passage: ", "x": 1}}
    )
    write(folder / "1_Pooling" / "config.json", {"pooling_mode": "cls"})
    source = read_source(folder, "tiny")
    assert (source.identity.query_prefix, source.identity.passage_prefix) == ("query: ", "passage: ")
    assert source.pooling == "cls"


def test_no_text_is_longer_than_the_position_table(folder: Path) -> None:
    changed(folder / "sentence_bert_config.json", max_seq_length=4096)
    assert read_source(folder, "tiny").identity.max_tokens == SHAPE.positions


def _family(folder: Path) -> None:
    changed(folder / "config.json", model_type="xlm-roberta")


def _activation(folder: Path) -> None:
    changed(folder / "config.json", hidden_act="relu")


def _heads(folder: Path) -> None:
    changed(folder / "config.json", num_attention_heads=5)


def _code(folder: Path) -> None:
    changed(folder / "config.json", auto_map={"AutoModel": "modeling.Model"})


def _script(folder: Path) -> None:
    (folder / "modeling.py").write_text("raise SystemExit")


def _only_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _sharded(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")


def _dense(folder: Path) -> None:
    write(folder / "modules.json", [*folders.MODULES, {"type": "sentence_transformers.models.Dense"}])


def _own_module(folder: Path) -> None:
    write(folder / "modules.json", [{"type": "evil.models.Transformer"}])


def _no_modules(folder: Path) -> None:
    (folder / "modules.json").unlink()


def _modules_no_list(folder: Path) -> None:
    write(folder / "modules.json", {"0": "Transformer"})


def _max_pooling(folder: Path) -> None:
    write(folder / "1_Pooling" / "config.json", {"pooling_mode_max_tokens": True})


def _no_pooling(folder: Path) -> None:
    (folder / "1_Pooling" / "config.json").unlink()


def _no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def _unigram(folder: Path) -> None:
    changed(folder / "tokenizer.json", model={"type": "Unigram", "vocab": []})


def _normalizer(folder: Path) -> None:
    changed(folder / "tokenizer.json", normalizer={"type": "BertNormalizer", "handle_chinese_chars": False})


def _gap(folder: Path) -> None:
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    changed(folder / "tokenizer.json", model=model | {"vocab": {"[CLS]": 0, "[SEP]": 2}})


def _no_cls(folder: Path) -> None:
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    changed(folder / "tokenizer.json", model=model | {"vocab": {"[UNK]": 0, "[SEP]": 1}})


def _too_many(folder: Path) -> None:
    changed(folder / "config.json", vocab_size=3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_family, "its family is 'xlm-roberta'"),
        (_activation, "hidden_act is 'relu'"),
        (_heads, "5 heads do not divide"),
        (_code, "names code to run"),
        (_script, "must not bring code"),
        (_only_pickle, "pickles can run code"),
        (_sharded, "one file model.safetensors is expected"),
        (_dense, "models.Dense"),
        (_own_module, "evil.models.Transformer"),
        (_no_modules, "modules.json.*missing"),
        (_modules_no_list, "not a JSON list"),
        (_max_pooling, "pools by pooling_mode_max_tokens"),
        (_no_pooling, "nothing says how token states become one vector"),
        (_no_tokenizer, "tokenizer.json.*missing"),
        (_unigram, "its tokenizer is 'Unigram'"),
        (_normalizer, "handle_chinese_chars switched off"),
        (_gap, "without a gap"),
        (_no_cls, r"'\[CLS\]' is not in the vocabulary"),
        (_too_many, "the model knows 3"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused(folder: Path, change: Callable[[Path], None], reason: str) -> None:
    change(folder)
    with pytest.raises(ModelRejected, match=reason):
        read_source(folder, "tiny")
