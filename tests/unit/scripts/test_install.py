"""Installing with pip: what is counted, and what a failure says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts.install import InstallFailed, Progress, pip_install

FAKE_PIP = """#!{python}
import sys
print("Collecting nothing")
print("ERROR: No matching distribution found for nothing")
sys.exit("nothing" in sys.argv)
"""


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A stand-in for a virtual environment whose pip refuses to install `nothing`."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(FAKE_PIP.format(python=sys.executable))
    python.chmod(0o755)
    return tmp_path


def test_packages_are_counted_while_they_are_found_and_installed(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    (packages / "pip-23.dist-info").mkdir(parents=True)
    progress = Progress(tmp_path)
    for line in ("Collecting click>=8.1 (from edgellm)\n", "  Downloading click.whl\n", "", "Collecting apsw\n"):
        progress.read(line)
    assert str(progress) == "  finding and fetching packages: 2 so far"
    progress.read("Installing collected packages: click, apsw, edgellm\n")
    assert str(progress) == "  installing: 0 of 3 packages"
    (packages / "click-8.dist-info").mkdir()
    assert str(progress) == "  installing: 1 of 3 packages"


def test_a_quick_installation_says_nothing(venv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pip_install(venv, ["click"])
    assert capsys.readouterr().out == ""


def test_a_failure_shows_pips_last_words_and_what_to_do(venv: Path) -> None:
    with pytest.raises(InstallFailed, match="No matching distribution found for nothing") as failure:
        pip_install(venv, ["nothing"])
    assert "`make setup` again" in str(failure.value)
    assert "Collecting" not in str(failure.value)
