"""`edgellm` without a command: the app."""

from __future__ import annotations

import os
from importlib.metadata import entry_points

from edgellm.cli.diagnostics import Code
from edgellm.cli.world import World
from edgellm.errors import MissingExtra

FRONTENDS = "edgellm.frontends"
"""Entry points: callables without arguments that return an exit code and follow the environment."""


def open_app(world: World) -> int:
    """Open the first installed front end; without a terminal, say what to do instead.

    Raises: MissingExtra when no front end can be loaded.
    """
    if not world.is_conversational:
        return world.err.usage_error(
            "edgellm",
            "The app needs a terminal, and there is none here.",
            'Without one: `edgellm tour`, or `edgellm chat "Name three rivers."`; `edgellm --help` lists all commands.',
        )
    for entry in sorted(entry_points(group=FRONTENDS), key=lambda entry: entry.name):
        try:
            run = entry.load()
        except ModuleNotFoundError as error:
            raise MissingExtra(
                f"The app cannot open: the package {error.name!r} is missing.",
                hint="Install it with: pip install --upgrade edgellm",
                extra="",
            ) from error
        os.environ.update(_options_as_variables(world))
        return int(run() or Code.DONE)
    raise MissingExtra("No app is installed.", hint="Install it with: pip install --upgrade edgellm", extra="")


def _options_as_variables(world: World) -> dict[str, str]:
    """What `--home` and `--offline` said, for the front end and the processes it starts."""
    said = {"EDGELLM_HOME": world.home_option or "", "EDGELLM_OFFLINE": "1" if world.offline else ""}
    return {name: value for name, value in said.items() if value}
