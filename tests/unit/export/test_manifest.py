"""Manifest and card of an export."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edgellm.errors import InvalidInput
from edgellm.export.card import card
from edgellm.export.manifest import MANIFEST, UsedAdapter, encode_manifest, read_manifest
from tests.unit.export.samples import exported, manifest


def test_a_manifest_reads_back_as_it_was_written(tmp_path: Path) -> None:
    written = manifest(exported(), exported("Q4_0", kl=0.9))
    (tmp_path / MANIFEST).write_bytes(encode_manifest(written))
    assert read_manifest(tmp_path) == written
    assert not written.passed
    assert manifest().passed


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]"])
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(InvalidInput, match="no manifest"):
        read_manifest(tmp_path)


def test_the_card_says_what_failed_and_why() -> None:
    text = card(manifest(exported("Q4_0", kl=0.9)))
    assert "| m-Q4_0.gguf | 1.0 kB | FAILED | 0.9000 (at most 0.35) |" in text
    assert "**Q4_0 failed:** The mean KL divergence is 0.9000" in text


def test_the_card_names_base_licence_adapter_and_data() -> None:
    adapter = UsedAdapter(name="tax", sha256="ef" * 32, dataset="faq", dataset_hash="0123", dataset_rows=60)
    text = card(msgspec.structs.replace(manifest(), adapter=adapter))
    assert "licence of the base: not stated in the file" in text
    assert "trained on: faq, 60 rows, content hash `0123`" in text
    assert "the base itself has no more" in text
    assert "as it is served, by a KL of 0.0020" in text


def test_the_card_says_what_was_verified_on() -> None:
    made = manifest()
    assert "text to verify: own.txt; 50 tokens, which no other step of this export read" in card(made)
    assert "importance matrix: 7 weights, measured on 100 tokens of: own.txt" in card(made)
    used = msgspec.structs.replace(made.text, held_out_source="rows that were held out from training (test)")
    text = card(msgspec.structs.replace(made, text=used))
    assert "text to verify: rows that were held out from training (test); 50 tokens" in text


def test_text_from_files_cannot_break_the_card() -> None:
    text = card(msgspec.structs.replace(manifest(), name="a|b\x1b[31m\nc"))
    assert text.startswith("# a\\|b")
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("kind", "said"), [("hf", "the folder was read back"), ("peft", "the PEFT files were read back")]
)
def test_the_card_says_how_files_were_measured_that_llama_cpp_does_not_open(kind: str, said: str) -> None:
    assert said in card(msgspec.structs.replace(manifest(), kind=kind))
    assert "read back" not in card(manifest())


def test_a_manifest_from_before_there_were_kinds_is_of_gguf_files(tmp_path: Path) -> None:
    plain = msgspec.json.decode(encode_manifest(manifest()))
    del plain["kind"]
    (tmp_path / MANIFEST).write_bytes(msgspec.json.encode(plain))
    assert read_manifest(tmp_path).kind == "gguf"
