"""The child process that tries llama.cpp on a file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.live.starter import starter_path

pytestmark = pytest.mark.live


def trial(what: str, path: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the printed object and standard error."""
    command = [sys.executable, "-m", "edgellm.engine.trial", what, path, "--gpu-layers", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout), done.stderr


def test_a_decode_is_timed() -> None:
    code, answer, talk = trial("decode", starter_path())
    assert (code, answer["ok"], answer["device"], talk) == (0, True, "cpu", "")
    assert answer["decode_s"] > 0
    assert answer["load_s"] > 0
    assert "llama-cpp-python" in answer["llama_cpp_version"]
    assert answer["system_info"].startswith("CPU")


def test_opening_decodes_nothing() -> None:
    code, answer, _ = trial("open", starter_path())
    assert (code, answer["ok"]) == (0, True)
    assert "decode_s" not in answer


@pytest.mark.parametrize("what", ["open", "decode"])
def test_bad_files_are_reported(what: str, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    with open(starter_path(), "rb") as file:
        cut.write_bytes(file.read(1_500_000))
    code, answer, _ = trial(what, str(cut))
    assert (code, answer["ok"], answer["error"]) == (1, False, "ModelLoadFailed")
    assert "cut.gguf" in answer["message"]
