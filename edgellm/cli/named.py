"""The value of an option that names something: never empty, as an unset shell variable would make it."""

from __future__ import annotations

from typing import Any

import click


class Named(click.ParamType[str]):
    """Text that is not empty."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text itself; click reports an empty one."""
        if value == "":
            self.fail("it is empty. Is a shell variable unset?", param, ctx)
        return str(value)


NAMED = Named()
