"""What a command sees of its surroundings: streams, environment, folders and the door to the SDK."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO, TypeAlias

import click

from edgellm.cli.diagnostics import Diagnostics
from edgellm.cli.output import Output
from edgellm.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

    from edgellm.paths import Home
    from edgellm.sdk.facade import EdgeLLM


def open_edgellm(model: str | None, home: Home, offline: bool | None) -> EdgeLLM:
    """The real SDK; loads nothing heavy until it is used."""
    from edgellm.sdk.facade import EdgeLLM  # deferred: most of what a face costs to start

    return EdgeLLM(model=model, home=home, offline=offline)


Opener: TypeAlias = "Callable[[str | None, Home, bool | None], EdgeLLM]"


@dataclass(slots=True)
class World:
    """Handed to every command; tests hand in another one."""

    stdin: TextIO
    out: Output
    err: Diagnostics
    environment: Mapping[str, str]
    opener: Opener = field(default=open_edgellm)
    home_option: str | None = None
    """The value of `--home`."""
    offline: bool | None = None
    """True with `--offline`; None leaves it to settings and environment."""

    @property
    def home(self) -> Home:
        """Where EdgeLLM keeps its things: `--home`, `EDGELLM_HOME`, or the platform's folders."""
        from edgellm.paths import home_from  # deferred: pathlib is dear, and help needs no folder

        if self.home_option:
            return home_from({"EDGELLM_HOME": self.home_option})
        return home_from(self.environment)

    @property
    def error_log(self) -> Path:
        """Where tracebacks go."""
        return self.home.logs / "errors.log"

    @property
    def is_conversational(self) -> bool:
        """Whether a person sits at both ends."""
        return self.stdin.isatty() and self.out.is_terminal

    def confirms(self, question: str, *, is_agreed: bool) -> bool:
        """Whether the user agrees, by `--yes` or by an answer. Raises: InvalidInput where nobody can be asked."""
        if is_agreed:
            return True
        if not (self.stdin.isatty() and self.err.is_terminal):
            raise InvalidInput("This needs your consent.", hint="Add --yes.", field="yes")
        self.err.ask(question)
        return self.stdin.readline().strip().lower() in ("y", "yes")

    def open(self, model: str | None = None) -> EdgeLLM:
        """The SDK for this home; use it as a context manager."""
        return self.opener(model, self.home, self.offline)


def reopen_closed_streams() -> list[str]:
    """Open standard streams that are closed on the null device, before another file takes their number.

    Returns: the names of those that were closed.
    """
    closed = []
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            closed.append(name)
            descriptor = os.open(os.devnull, os.O_RDWR)
            os.dup2(descriptor, number)
            if descriptor > number:
                os.close(descriptor)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115  the process's own
    return closed


def world_of_process() -> World:
    """The real surroundings. Characters the terminal cannot show become `?` instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    return World(
        stdin=sys.stdin,
        out=Output(sys.stdout, os.environ),
        err=Diagnostics(sys.stderr, os.environ),
        environment=os.environ,
    )


pass_world = click.make_pass_decorator(World)
