"""The manual says what the commands say."""

from __future__ import annotations

import re
import subprocess
import sys

import click

from edgellm.cli import reference
from edgellm.cli.diagnostics import BY_TYPE, MEANINGS, Code
from edgellm.cli.root import COMMANDS, root
from edgellm.errors import EdgeLLMError
from tests.rules.sources import ROOT

WITHOUT_JSON = {"edgellm completion", "edgellm tour", "edgellm train join"}
"""A script for a shell, a demonstration for a person, and what one machine starts on another."""


def test_the_manual_of_commands_is_current() -> None:
    written = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "edgellm.cli.reference",
        "commands",
    ]  # click keeps what other tests made
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert written == found, "python -m edgellm.cli.reference commands > docs/commands.md"


def test_the_table_of_exit_codes_is_current() -> None:
    written = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    assert written == reference.exit_codes_page(), "python -m edgellm.cli.reference exit-codes > docs/exit-codes.md"


def test_every_code_has_a_meaning_and_every_error_a_code() -> None:
    assert set(MEANINGS) == set(Code)
    assert {kind for kind in EdgeLLMError.__subclasses__() if kind.__module__ == "edgellm.errors"} <= set(BY_TYPE)
    assert all(1 <= code <= 99 for code in BY_TYPE.values())


def test_the_table_of_commands_says_what_the_commands_say() -> None:
    context = click.Context(root)
    for name, (_, line) in COMMANDS.items():
        command = root.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert (command.help or "").splitlines()[0] == line


def test_every_command_explains_itself_and_its_options() -> None:
    for path, text in reference.pages():
        assert re.search(r"\n\n  \S", text), f"{path} has no description"
        assert all(len(line) <= reference.WIDTH for line in text.splitlines()), path


def test_every_command_that_prints_results_can_print_json() -> None:
    leaves = {path: text for path, text in reference.pages() if "[ARGS]..." not in text}
    assert {path for path, text in leaves.items() if "--json" not in text} == WITHOUT_JSON
