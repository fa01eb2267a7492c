"""Importing is cheap and harmless: proven in fresh interpreters by what is loaded and what is touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "apsw", "gguf", "httpx", "huggingface_hub", "jinja2", "llama_cpp", "llguidance", "mlx", "mlx_lm", "msgspec",
    "numpy", "psutil", "requests", "rich", "sentence_transformers", "sqlite3", "textual", "torch", "transformers",
)  # fmt: skip
NEEDLESS_FOR_HELP = (
    *HEAVY, "asyncio", "importlib.metadata", "platformdirs", "readline", "socket", "subprocess", "tempfile",
    "traceback", "edgellm.types", "edgellm.events", "edgellm.safetext", "edgellm.settings", "edgellm.sdk",
    "edgellm.engine", "edgellm.hub", "edgellm.store", "edgellm_tui",
)  # fmt: skip
PRELUDE = "import sys; before = set(sys.modules)\n"
EPILOGUE = "\nimport json; print(json.dumps(sorted(set(sys.modules) - before)))"
HELP = """
import contextlib, io
from edgellm.cli.main import main
with contextlib.redirect_stdout(io.StringIO()):
    assert main({arguments!r}) == 0
"""
TOUCHED = """
import sys
touched = []
def note(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.mkdir", "os.remove", "os.rename")):
        touched.append(event)
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        touched.append(f"{event} {arguments[0]}")
sys.addaudithook(note)
"""


def loaded_by(code: str, cwd: Path) -> set[str]:
    """Modules that a fresh interpreter loads for `code`."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + code + EPILOGUE], cwd=cwd, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_what_must_not_be_loaded_exists(tmp_path: Path) -> None:
    """A misspelt name would be absent for ever."""
    loaded = loaded_by("import msgspec, psutil, apsw, textual, edgellm.sdk.facade, importlib.metadata", tmp_path)
    assert {"msgspec", "psutil", "apsw", "textual", "edgellm.sdk", "importlib.metadata"} <= loaded


def test_importing_edgellm_loads_next_to_nothing(tmp_path: Path) -> None:
    loaded = loaded_by("import edgellm", tmp_path)
    assert {name for name in loaded if name.partition(".")[0] not in sys.stdlib_module_names} == {"edgellm"}
    assert not loaded & set(NEEDLESS_FOR_HELP)


def test_naming_an_error_loads_nothing_more(tmp_path: Path) -> None:
    loaded = loaded_by("import edgellm; edgellm.InvalidInput; edgellm.Message", tmp_path)
    assert {name for name in loaded if name.startswith("edgellm")} == {"edgellm", "edgellm.errors", "edgellm.types"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["models", "--help"], ["sessions", "list", "--help"]])
def test_help_loads_no_library_but_click(arguments: list[str], tmp_path: Path) -> None:
    assert not loaded_by(HELP.format(arguments=arguments), tmp_path) & set(HEAVY)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_no_command(arguments: list[str], tmp_path: Path) -> None:
    loaded = loaded_by(HELP.format(arguments=arguments), tmp_path)
    assert not loaded & set(NEEDLESS_FOR_HELP)
    ours = {name for name in loaded if name.startswith("edgellm.cli.")}
    assert ours <= {f"edgellm.cli.{name}" for name in (
        "channel", "command", "diagnostics", "lazy", "main", "named", "output", "root", "style", "world"
    )}  # fmt: skip


@pytest.mark.parametrize("code", ["import edgellm", HELP.format(arguments=["--help"])])
def test_neither_writes_a_file_nor_opens_a_socket_nor_starts_a_process(code: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-c", TOUCHED + code + "\nprint(touched)"],
        cwd=tmp_path,
        env={**os.environ, "EDGELLM_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert not (tmp_path / "home").exists()
