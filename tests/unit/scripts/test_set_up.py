"""The set-up's decisions: what is current, what a bad first decode means, who may work at once."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.first_decode import DecodeFailed, explain_exit, summary
from scripts.locks import exclusive
from scripts.project import ROOT
from scripts.set_up import SetUpFailed, parse_arguments, set_up
from scripts.stamp import Wanted, is_current, read_extras, write_stamp

WANTED = Wanted(
    project=b"project",
    constraints=b"pins",
    root="/somewhere",
    python="3.11",
    features=("avx2",),
    build=("False", ""),
    extras=frozenset({"starter", "train", "parquet", "docs", "serve", "dev"}),
)


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """An environment that looks installed and stamped."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "edgellm").touch()
    write_stamp(tmp_path, WANTED)
    return tmp_path


def test_a_stamped_environment_is_current(venv: Path) -> None:
    assert is_current(venv, WANTED)
    assert is_current(venv, replace(WANTED, extras=frozenset({"dev"})))


def test_every_change_makes_it_stale(venv: Path) -> None:
    assert not is_current(venv, replace(WANTED, project=b"changed"))
    assert not is_current(venv, replace(WANTED, constraints=b"changed"))
    assert not is_current(venv, replace(WANTED, root="/moved"))
    assert not is_current(venv, replace(WANTED, python="3.12"))
    assert not is_current(venv, replace(WANTED, features=("avx512f",)))
    assert not is_current(venv, replace(WANTED, extras=WANTED.extras | {"embed"}))


def test_an_interrupted_or_damaged_environment_is_stale(venv: Path) -> None:
    (venv / "edgellm-setup.json").write_text('{"fingerprint": ')
    assert not is_current(venv, WANTED)
    assert read_extras(venv) == frozenset()


def test_an_environment_without_the_command_is_stale(venv: Path) -> None:
    (venv / "bin" / "edgellm").unlink()
    assert not is_current(venv, WANTED)


def test_an_unknown_extra_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    options = parse_arguments(["--venv", str(tmp_path), "--extras", "trian"])
    with pytest.raises(SetUpFailed, match=r"'trian'.*train"):
        set_up(options, {})


def test_an_illegal_instruction_names_the_repair() -> None:
    text = explain_exit(-signal.SIGILL, "", "")
    assert "SIGILL" in text
    assert "make setup PORTABLE=1" in text


def test_an_ordinary_failure_shows_what_the_trial_said() -> None:
    text = explain_exit(1, '{"ok": false, "message": "No such file.", "detail": "Look again."}', "")
    assert "No such file. Look again." in text
    assert "Traceback" in explain_exit(1, "", "Traceback")
    assert "PORTABLE" not in text


def test_a_trial_without_a_report_is_a_failure() -> None:
    with pytest.raises(DecodeFailed, match="no report"):
        summary("hello")


def test_a_good_trial_in_words() -> None:
    report = '{"ok": true, "device": "cpu", "load_s": 0.1234, "decode_s": 0.04}'
    assert summary(f"noise\n{report}\n") == "on cpu, model open in 0.12 s, one token in 0.04 s"


def test_the_lock_admits_one_process_and_is_freed_by_death(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from scripts.locks import exclusive\n"
        "with exclusive(Path(sys.argv[1]), lambda: print('waiting', flush=True)):\n"
        "    print('inside', flush=True); time.sleep(30)"
    )
    with exclusive(tmp_path, lambda: pytest.fail("nobody else holds it")):
        other = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert other.stdout is not None
        assert other.stdout.readline() == "waiting\n"
    assert other.stdout.readline() == "inside\n"
    other.kill()
    other.communicate()
    with exclusive(tmp_path, lambda: pytest.fail("the holder is dead")):
        pass
