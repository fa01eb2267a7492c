"""One command line, from its words to its exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from edgellm.cli.diagnostics import Code, Stopped
from edgellm.cli.style import bad
from edgellm.cli.world import World, reopen_closed_streams, world_of_process

PROGRAM = "edgellm"
COMPLETION_VARIABLE = "_EDGELLM_COMPLETE"
WIDEST_HELP = 80
GLOBAL_OPTIONS = ("--home", "--offline")


def run_process(argv: Sequence[str]) -> int:
    """Run the process's command line. Returns the exit code; KeyboardInterrupt is all that it lets out."""
    closed = reopen_closed_streams()
    world = world_of_process()
    if "stdout" in closed:
        world.err.line(bad("error: "), "standard output is closed; send it to /dev/null if nobody needs it")
        return Code.FILE
    instruction = world.environment.get(COMPLETION_VARIABLE)
    if instruction:
        return _complete(instruction)
    return run(argv, world)


def run(argv: Sequence[str], world: World) -> int:
    """Run one command in the given surroundings. Returns the exit code."""
    try:
        return _run(argv, world)
    except BrokenPipeError:  # also while an error was told
        _stop_writing()
        return Code.READER_GONE


def _run(argv: Sequence[str], world: World) -> int:
    try:
        from edgellm.cli.root import root

        with root.make_context(PROGRAM, list(argv), obj=world, terminal_width=help_width(world)) as context:
            result = root.invoke(context)
        return int(result) if isinstance(result, int) else Code.DONE
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        return _refuse(error, world)
    except (KeyboardInterrupt, click.Abort):
        world.err.clear_status()
        return Code.INTERRUPTED
    except Stopped as end:
        world.err.clear_status()
        return end.code
    except BrokenPipeError:
        raise
    except Exception as error:  # a face's last line of defence; it reports
        return world.err.report(error, world.error_log)


def help_width(world: World) -> int:
    """Columns of a help page: click would load a module for it that takes longer than the page."""
    return min(world.out.columns(), WIDEST_HELP)


def _refuse(error: click.ClickException, world: World) -> Code:
    """Say which word of the command line was not understood, and where to look."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        world.err.write(error.format_message() + "\n")
        return Code.USAGE
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    hint = ""
    if isinstance(error, click.exceptions.NoSuchOption) and error.option_name in GLOBAL_OPTIONS:
        hint = f"{error.option_name} goes before the command: `{PROGRAM} {error.option_name} …`"
    return world.err.usage_error(path, error.format_message(), hint)


def _stop_writing() -> None:
    """Point both outputs at nothing, so that the interpreter's last flush stays quiet."""
    for stream in (sys.stdout, sys.stderr):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _complete(instruction: str) -> int:
    from click.shell_completion import shell_complete

    from edgellm.cli.root import root

    return shell_complete(root, {}, PROGRAM, COMPLETION_VARIABLE, instruction)
