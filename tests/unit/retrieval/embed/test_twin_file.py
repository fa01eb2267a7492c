"""An embedder as a GGUF file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgellm.errors import ModelRejected
from edgellm.gguf_header import read_header
from edgellm.retrieval.embed.source import read_source
from edgellm.retrieval.embed.twin_file import vocabulary_metadata, write_twin
from edgellm.retrieval.embed.weights import shapes
from tests.unit.retrieval.embed.folders import SHAPE, TOKENS, make_folder, save, weights


def test_the_file_holds_every_tensor_and_what_llama_cpp_has_to_know(tmp_path: Path) -> None:
    source, path = read_source(make_folder(tmp_path / "tiny"), "tiny"), tmp_path / "tiny.gguf"
    write_twin(source, path)
    header = read_header(path)
    assert {tensor.name: tensor.shape[::-1] for tensor in header.tensors} == shapes(SHAPE)
    kinds = {tensor.name: tensor.type.name for tensor in header.tensors}
    assert kinds["token_embd.weight"] == kinds["blk.0.ffn_up.weight"] == "F16"
    assert kinds["position_embd.weight"] == kinds["token_types.weight"] == kinds["blk.0.attn_q.bias"] == "F32"
    found = header.metadata
    assert (found["general.architecture"], found["bert.pooling_type"], found["bert.context_length"]) == ("bert", 1, 64)
    assert (found["tokenizer.ggml.model"], found["tokenizer.ggml.seperator_token_id"]) == ("bert", 3)


def test_words_begin_with_a_mark_and_continuations_do_not(tmp_path: Path) -> None:
    rules = read_source(make_folder(tmp_path / "tiny"), "tiny").rules
    texts = vocabulary_metadata(rules, len(TOKENS) + 1)["tokenizer.ggml.tokens"]
    assert isinstance(texts, list)
    assert [texts[TOKENS.index(text)] for text in ("[CLS]", "cat", "##ing", "[")] == ["[CLS]", "▁cat", "ing", "▁["]
    assert texts[-1] == f"[PAD{len(TOKENS)}]"


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    folder, tensors = make_folder(tmp_path / "tiny"), weights()
    tensors["encoder.layer.0.output.dense.weight"][3, 4] = np.nan
    save(folder, tensors)
    with pytest.raises(ModelRejected, match=r"'encoder.layer.0.output.dense.weight' holds numbers that are not finite"):
        write_twin(read_source(folder, "tiny"), tmp_path / "tiny.gguf")
    assert not (tmp_path / "tiny.gguf").exists()
