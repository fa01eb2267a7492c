"""Names, references, quantizations and progress: the small pure parts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.errors import InvalidInput
from edgellm.events import JobEvent, Progressed
from edgellm.hub.names import checked_name, is_name, name_from
from edgellm.hub.progress import Meter
from edgellm.hub.quantization import preference, quantization_of
from edgellm.hub.reference import Reference, parse_reference


@given(st.text(max_size=120))
def test_a_name_is_never_more_than_one_plain_file_name(text: str) -> None:
    if is_name(text):
        assert Path(text).name == text
        assert text.isascii()
        assert not text.startswith((".", "-"))
        assert (Path("/models") / f"{text}.gguf").resolve().parent == Path("/models")


@given(st.text(max_size=200))
def test_a_stem_becomes_a_name_or_an_error(stem: str) -> None:
    try:
        name = name_from(stem)
    except InvalidInput:
        return
    assert is_name(name)


@pytest.mark.parametrize("stem", ["हिन्दी", "...", " "])
def test_a_stem_without_english_letters_asks_for_a_name(stem: str) -> None:
    with pytest.raises(InvalidInput, match="Choose a name"):
        name_from(stem)


def test_usual_names_are_kept() -> None:
    for name in ("qwen3-0.6b", "Llama-3.2-1B-Instruct-Q4_K_M", "a", "x" * 96):
        assert checked_name(name) == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("qwen3-0.6b", Reference(card="qwen3-0.6b")),
        ("qwen3-0.6b:q4_k_m", Reference(card="qwen3-0.6b", quantization="Q4_K_M")),
        ("acme/tiny-GGUF", Reference(repository="acme/tiny-GGUF")),
        ("acme/tiny:Q8_0", Reference(repository="acme/tiny", quantization="Q8_0")),
        ("acme/tiny/a.gguf", Reference(repository="acme/tiny", file="a.gguf")),
        ("acme/tiny/sub/a.gguf@v1.0", Reference(repository="acme/tiny", file="sub/a.gguf", revision="v1.0")),
        ("hf.co/acme/tiny@refs/pr/3", Reference(repository="acme/tiny", revision="refs/pr/3")),
        ("https://huggingface.co/acme/tiny", Reference(repository="acme/tiny")),
        (
            "https://huggingface.co/acme/tiny/blob/main/a.gguf",
            Reference(repository="acme/tiny", file="a.gguf", revision="main"),
        ),
    ],
)
def test_references(text: str, expected: Reference) -> None:
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "a/", "/a", "a//b", "../a", "a/../b.gguf", "a/b/../c.gguf", "a/b/c.txt", "a/b/c", "-a/b", "a b/c"),
        *("a/b\0", "a/b@../x", "a@main", "a/b:Q8 0", "a\\b", "ａ/ｂ", "x" * 500, "a/b?x=1", "a/b#f"),
        "https://evil.example/a/b",
    ],
)
def test_malformed_references_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_reference(text)


@pytest.mark.parametrize(
    ("file", "quantization"),
    [
        ("Qwen3-0.6B-Q8_0.gguf", "Q8_0"),
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "Q4_1"),
        ("sub/model-q4_k_m.gguf", "Q4_K_M"),
        ("model.IQ4_XS.gguf", "IQ4_XS"),
        ("bge-m3-FP16.gguf", "F16"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("Q8_0-lover-Q5_K_S.gguf", "Q5_K_S"),
        ("model.gguf", None),
    ],
)
def test_quantizations_in_file_names(file: str, quantization: str | None) -> None:
    assert quantization_of(file) == quantization


def test_preference_puts_unquantized_and_unknown_last() -> None:
    order = ["Q8_0", "Q4_K_M", "Q2_K", "F16", None]
    assert sorted(order, key=preference) == order


def test_the_meter_reports_rate_and_time_left() -> None:
    events: list[JobEvent] = []
    now = 0.0
    meter = Meter(events.append, total=1_000, clock=lambda: now)
    for _ in range(5):
        now += 0.2
        meter.advance(100)
    last = events[-1]
    assert isinstance(last, Progressed)
    assert (last.done, last.total) == (500, 1_000)
    assert last.rate == pytest.approx(500)
    assert last.left_s == pytest.approx(1)
    assert len(events) == 5
    for _ in range(100):
        meter.advance(1)
    assert len(events) == 5
    meter.advance(400)
    assert len(events) == 6
