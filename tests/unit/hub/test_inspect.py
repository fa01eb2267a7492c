"""Inspection: rules on the header, then a child that may die. llama.cpp is played by small scripts here."""

from __future__ import annotations

import sys
import textwrap
import time
from pathlib import Path

import pytest

from edgellm.errors import ModelRejected
from edgellm.hub import inspect as inspection
from edgellm.hub.inspect import check_header, inspect
from edgellm.limited import Limits, run_limited
from tests.ggufs import GGUF, Tensor, model_keys, numbers, string, strings, u32

LIMITS = Limits(memory_bytes=4 * 1024**3, wall_s=5, output_bytes=1000)


def test_a_sound_header_is_summarised(tmp_path: Path) -> None:
    found = check_header(GGUF(keys=model_keys(general__license=string("mit"))).write(tmp_path / "m.gguf"))
    assert (found.architecture, found.name, found.licence) == ("llama", "Tiny", "mit")
    assert (found.quantization, found.has_chat_template, found.warnings) == ("F32", True, ())
    assert found.parameters == 32 * 8 + 32 * 32


def test_a_model_without_a_template_is_accepted_with_a_warning(tmp_path: Path) -> None:
    keys = {key: value for key, value in model_keys().items() if key != "tokenizer.chat_template"}
    assert "no chat template" in check_header(GGUF(keys=keys).write(tmp_path / "m.gguf")).warnings[0]


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (model_keys(general__type=string("adapter")), "type 'adapter'"),
        (model_keys(split__count=u32(3)), "one of 3 parts"),
        (model_keys(general__architecture=string("")), "architecture is missing"),
        (model_keys(llama__block_count=u32(2**31)), "block_count"),
        (model_keys(llama__embedding_length=u32(0)), "embedding_length"),
        (model_keys(llama__context_length=string("long")), "context_length"),
        (model_keys(tokenizer__chat_template=string("x" * 65_537)), "over the limit of 65536"),
        (model_keys(tokenizer__chat_template__tool=string("x" * 65_537)), "over the limit of 65536"),
        (model_keys(tokenizer__ggml__tokens=strings([])), "no vocabulary"),
        (model_keys(tokenizer__ggml__token_type=numbers([1, 1])), "2 entries for 8 tokens"),
        (model_keys(tokenizer__ggml__bos_token_id=u32(8)), "bos_token_id is 8"),
        (model_keys(tokenizer__ggml__tokens=strings(["t"] * 7), tokenizer__ggml__token_type=numbers([1] * 7)), "shape"),
        (
            model_keys(
                tokenizer__ggml__tokens=strings(["<0x-1>", *"bcdefgh"]),
                tokenizer__ggml__token_type=numbers([6] + [1] * 7),
            ),
            "marked as a byte",
        ),
    ],
)
def test_headers_that_make_no_model_are_refused(tmp_path: Path, keys: dict[str, bytes], reason: str) -> None:
    with pytest.raises(ModelRejected, match=reason):
        check_header(GGUF(keys=keys).write(tmp_path / "m.gguf"))


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRejected, match="no tensors"):
        check_header(GGUF(tensors=[]).write(tmp_path / "m.gguf"))


def test_an_absent_token_is_allowed(tmp_path: Path) -> None:
    keys = model_keys(tokenizer__ggml__padding_token_id=u32(0xFFFFFFFF))
    assert check_header(GGUF(keys=keys).write(tmp_path / "m.gguf")).name == "Tiny"


def trial(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let a script stand in for the program that opens the file."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    monkeypatch.setattr(inspection, "trial_command", lambda _: command)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os.abort()", "crashed while opening it .SIGABRT"),
        ("import os; os.kill(os.getpid(), 11)", "crashed while opening it .SIGSEGV"),
        ('print(\'{"ok": false, "message": "bad tensor"}\'); raise SystemExit(1)', "bad tensor"),
        ("raise SystemExit(3)", "exit code 3"),
        ("print('no json')", "exit code 0"),
        ("print('[1]')", "exit code 0"),
        ("import time; time.sleep(9)", "more than 1 s"),
        ("while True: pass", "more than 1 s|SIGXCPU|SIGKILL"),
        ("x = bytearray(1 << 40)", "MemoryError"),
    ],
)
def test_whatever_the_child_does_the_caller_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    trial(monkeypatch, code)
    start = time.monotonic()
    with pytest.raises(ModelRejected, match=reason):
        inspect(GGUF().write(tmp_path / "m.gguf"), timeout_s=1)
    assert time.monotonic() - start < 20


def test_a_good_answer_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial(monkeypatch, "print('noise'); print('{\"ok\": true}')")
    assert inspect(GGUF().write(tmp_path / "m.gguf")).name == "Tiny"


def test_a_broken_header_starts_no_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "run_limited", lambda *_: pytest.fail("a child was started"))
    with pytest.raises(ModelRejected, match="overlaps"):
        inspect(GGUF(tensors=[Tensor("a"), Tensor("b", offset=0)], data=bytes(999)).write(tmp_path / "m.gguf"))


def test_a_limited_child_cannot_write_more_than_its_share() -> None:
    ended = run_limited([sys.executable, "-c", "print('x' * 1_000_000)"], LIMITS, {})
    assert len(ended.stdout) <= 1000
    assert ended.exit_code != 0


def test_a_limited_child_sees_no_secrets() -> None:
    secrets = {"HF_TOKEN": "secret", "AWS_SECRET_ACCESS_KEY": "secret", "PATH": "/bin"}
    ended = run_limited([sys.executable, "-c", "import os; print(sorted(os.environ))"], LIMITS, secrets)
    assert "PATH" in ended.stdout
    assert "HF_HUB_OFFLINE" in ended.stdout
    assert "TOKEN" not in ended.stdout
    assert "AWS" not in ended.stdout
