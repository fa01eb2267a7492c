"""Where the command starts and ends: usage, defects, pipes, signals."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edgellm import errors
from edgellm.cli.diagnostics import Code, code_of
from tests.unit.cli.bench import Bench
from tests.unit.cli.fakes import FakeEdge


def edgellm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "edgellm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chta"], "Did you mean 'chat'?"),
        (["chat", "--temprature", "1"], "'--temperature'"),
        (["chat", "one", "two"], "unexpected extra argument"),
        (["chat", "--seed", "x"], "'x' is not a valid integer"),
        (["chat", "--offline"], "goes before the command"),
        (["models", "lst"], "Did you mean 'list'?"),
        (["models", "fit"], "Missing argument"),
        (["models"], "Usage: edgellm models"),
        (["sessions", "list", "-n", "0"], "1<=x<="),
        (["sessions", "search", "a", "-n", "9" * 30], "1<=x<="),
        (["chat", "-m", "", "Hi"], "it is empty"),
        (["chat", "--session", "", "Hi"], "it is empty"),
        (["tour", "-m", ""], "it is empty"),
        (["--home", "", "models", "list"], "it is empty"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_a_hint(bench: Bench, arguments: list[str], said: str) -> None:
    assert bench.run(*arguments) == Code.USAGE
    assert said in bench.err
    assert bench.out == ""
    assert "Traceback" not in bench.err


def test_without_a_terminal_the_app_says_what_to_do(bench: Bench) -> None:
    assert bench.run() == Code.USAGE
    assert "needs a terminal" in bench.err
    assert "edgellm tour" in bench.err


def test_a_defect_is_short_on_the_screen_and_whole_in_the_log(bench: Bench, edgellm_home: Path) -> None:
    def explode(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret \x1b[31m sauce")

    bench.edge.chat = explode  # type: ignore[method-assign,assignment]
    assert bench.run("chat", "Hi") == Code.UNEXPECTED
    log = edgellm_home / "data" / "logs" / "errors.log"
    assert str(log) in bench.err
    assert "ZeroDivisionError" in bench.err
    assert "Traceback" not in bench.err
    assert "\x1b" not in bench.err
    assert "in explode" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_log_that_cannot_be_written_is_said(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    bench.edge = FakeEdge()
    bench.edge.sessions.list = None  # type: ignore[method-assign,assignment]
    assert bench.run("--home", str(tmp_path / "file"), "sessions", "list") == Code.UNEXPECTED
    assert "could not be written" in bench.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidSchema("x"), Code.INVALID_INPUT),
        (errors.ModelNotFound("x"), Code.NOT_FOUND),
        (errors.MissingExtra("x"), Code.MISSING_EXTRA),
        (errors.ModelDoesNotFit("x"), Code.MODEL),
        (errors.WorkerDied("x"), Code.ENGINE),
        (errors.OfflineRefused("x"), Code.DOWNLOAD),
        (errors.DiskFull("x"), Code.STORE),
        (errors.EdgeLLMError("x"), Code.OTHER),
        (FileNotFoundError(2, "No such file", "x"), Code.FILE),
        (OSError(5, "no file is named"), Code.UNEXPECTED),
        (OSError(28, "No space left on device"), Code.FILE),
        (ValueError("x"), Code.UNEXPECTED),
    ],
)
def test_exit_codes_follow_the_type(error: Exception, code: Code) -> None:
    assert code_of(error) == code


def test_a_missing_extra_is_one_line_that_names_it(bench: Bench) -> None:
    bench.edge = FakeEdge([errors.MissingExtra("Needs 'docs'.", hint="pip install 'edgellm[docs]'", extra="docs")])
    assert bench.run("chat", "Hi") == Code.MISSING_EXTRA
    assert bench.err == "error: Needs 'docs'. pip install 'edgellm[docs]'\n"


def test_a_reader_that_stops_reading_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "edgellm", "settings", "show"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(writing)
    assert done.returncode == Code.READER_GONE
    assert done.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", ["--help", "settings show"])
def test_a_full_disk_behind_the_output_is_no_defect(arguments: str) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "edgellm", *arguments.split()]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
    assert done.returncode == Code.FILE
    assert done.stderr == b"error: the machine refuses: No space left on device\n"


def test_an_error_that_nobody_reads_is_no_defect() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "edgellm", "jobs", "show", "none"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=writing, check=False, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stdout) == (Code.READER_GONE, b"")


def test_a_home_below_a_folder_that_is_gone_says_so(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert bench.run("--home", "below", "models", "list") == Code.USAGE
    assert "'below' is below the current folder, which does not exist" in bench.err


def test_a_home_that_is_a_file_says_so(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert bench.run("--home", str(tmp_path / "file"), "settings", "show") == Code.INVALID_INPUT
    assert "EdgeLLM's home must be a folder." in bench.err


@pytest.mark.parametrize(
    ("redirected", "code", "said"),
    [
        ("settings path >&-", Code.FILE, "error: standard output is closed; send it to /dev/null if nobody needs it\n"),
        ("settings path >/dev/null 2>&-", Code.DONE, ""),
        ("settings nonsense 2>&-", Code.USAGE, ""),
        ("settings path >/dev/null <&-", Code.DONE, ""),
    ],
)
def test_closed_streams_are_no_defect(redirected: str, code: Code, said: str) -> None:
    command = ["sh", "-c", f'exec "$0" -m edgellm {redirected}', sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (code, said)


def test_ctrl_c_while_the_command_is_loaded_is_quiet() -> None:
    interrupted = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'click': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from edgellm.cli.main import main\n"
        "sys.exit(main(['--help']))\n"
    )
    done = subprocess.run([sys.executable, "-c", interrupted], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (Code.INTERRUPTED, b"", b"")


def test_what_is_loaded_is_set_aside_and_garbage_is_collected_afterwards() -> None:
    """Python's search through all modules at its end would take longer than the help page."""
    code = (
        "import gc\n"
        "from edgellm.cli.main import main\n"
        "code = main(['--version'])\n"
        "print(code, gc.isenabled(), gc.get_freeze_count() > 1000)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "0 True True"


def test_the_version_and_the_module_are_the_command() -> None:
    done = edgellm("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, "edgellm 0.1.0\n", "")


def test_help_lists_every_command_without_importing_one() -> None:
    done = edgellm("--help")
    assert done.returncode == 0
    assert "  chat        Ask a local model" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(bench: Bench, shell: str) -> None:
    assert bench.run("completion", shell) == 0
    assert "_EDGELLM_COMPLETE" in bench.out


def test_completion_knows_commands_and_options() -> None:
    environment = {**os.environ, "_EDGELLM_COMPLETE": "bash_complete", "COMP_CWORD": "2"}
    asked = {"edgellm se": "1", "edgellm models p": "2", "edgellm chat --te": "2"}
    found = []
    for words, position in asked.items():
        done = subprocess.run(
            [sys.executable, "-m", "edgellm"],
            env={**environment, "COMP_WORDS": words, "COMP_CWORD": position},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        found.append(done.stdout.split())
    assert found == [["plain,serve", "plain,sessions", "plain,settings"], ["plain,pull"], ["plain,--temperature"]]
