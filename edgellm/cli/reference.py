"""The manual of all commands, made from their own help: `python -m edgellm.cli.reference > docs/commands.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from edgellm.cli.command import PROGRAM
from edgellm.cli.diagnostics import MEANINGS
from edgellm.cli.root import root

WIDTH = 80
HEAD = """# Commands

Made from the commands' own help by `python -m edgellm.cli.reference > docs/commands.md`; a test compares the two.

Results go to standard output, everything else to standard error, so that `edgellm chat … > answer.txt` holds the
answer and nothing else. With `--json` a command prints one JSON document in which every character outside printable
ASCII is escaped. Text from models, files and names is made harmless before it is written, in a pipe as well.
`NO_COLOR` switches colours off; `EDGELLM_HOME` moves everything EdgeLLM keeps. How a command ended is its exit code:
see [exit codes](exit-codes.md).
"""
EXIT_HEAD = """# Exit codes

Made from `edgellm/cli/diagnostics.py` by `python -m edgellm.cli.reference exit-codes > docs/exit-codes.md`; a test
compares the two. Errors of the user end between 1 and 99, without a traceback.

| code | meaning |
|---:|---|
"""


def pages() -> Iterator[tuple[str, str]]:
    """Every command with its help page, in the order of the help."""
    yield from _pages(root, click.Context(root, info_name=PROGRAM, terminal_width=WIDTH, **root.context_settings))


def _pages(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            part = command.get_command(context, name)
            if part is not None:
                yield from _pages(part, click.Context(part, info_name=name, parent=context))


def commands_page() -> str:
    """The manual as Markdown."""
    sections = [f"## {path}\n\n```text\n{text}\n```\n" for path, text in pages()]
    return "\n".join([HEAD, *sections])


def exit_codes_page() -> str:
    """The exit codes as Markdown."""
    return EXIT_HEAD + "".join(f"| {code.value} | {meaning} |\n" for code, meaning in MEANINGS.items())


if __name__ == "__main__":
    sys.stdout.write(exit_codes_page() if sys.argv[1:] == ["exit-codes"] else commands_page())
