"""README and the guides tell the truth: targets, commands, links, generated parts; its code runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import readme_table
from scripts.marked import read_part
from tests.rules.sources import ROOT

GUIDES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*.md")]
)
README = (ROOT / "README.md").read_text(encoding="utf-8")


NEEDS_MORE = (
    "models pull",
    " -m ",
    "train run",
    "pretrain",
    "edgellm export",
    "docs search",
    "docs ask",
    "edgellm serve",
    "edgellm usage",
    "eval run",
    "edgellm promote",
    "edgellm rollback",
    "edgellm improve",
)
"""What marks a command that needs the network, what another command brought, or minutes, or that runs until it is
stopped: those have live tests."""


def blocks(text: str, language: str) -> list[str]:
    """Fenced code of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def shell_lines() -> list[str]:
    """README's `edgellm` command lines, without comments."""
    lines = [
        line.split("  #")[0].split(" # ")[0].strip() for block in blocks(README, "sh") for line in block.splitlines()
    ]
    return [line for line in lines if "edgellm" in line and not any(part in line for part in NEEDS_MORE)]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_links_lead_somewhere(guide: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", guide.read_text(encoding="utf-8"))
    missing = [link for link in links if not link.startswith("http") and not (guide.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_make_targets_exist(guide: Path) -> None:
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", guide.read_text(encoding="utf-8"), re.DOTALL))
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`|&& )make ([a-z-]+)", code, re.MULTILINE)) <= known


def test_every_picture_in_the_readme_is_shown_from_this_repository() -> None:
    assert not re.findall(r"!\[[^]]*\]\(http", README)


def test_the_readme_shows_the_kept_results() -> None:
    assert read_part(README, "benchmarks") == readme_table.current(), "Run `python -m scripts.readme_table --write`."


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """As a reader runs it, but that answers end soon: a small model may write on until its context is full."""
    environment = os.environ | {"EDGELLM_SAMPLING_MAX_TOKENS": "60"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, env=environment)


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.parametrize("line", shell_lines())
def test_the_commands_run(line: str) -> None:
    command = line.replace("edgellm", f"'{sys.executable}' -m edgellm")
    done = run("bash", "-c", command)
    assert done.returncode in (0, 1) if "doctor" in line else done.returncode == 0, done.stderr
    assert done.stdout.strip() or " list" in line  # a list may be empty, and says so to people only
    assert "Traceback" not in done.stderr


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.parametrize("code", blocks(README, "python"))
def test_the_program_runs(code: str) -> None:
    done = run(sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
    assert "first token after" in done.stdout
