"""The value of an option that names something: never empty, as an unset shell variable would make it."""

from __future__ import annotations

from typing import Any

import click


class _Named(click.ParamType[str]):
    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "":
            self.fail("it is empty. Is a shell variable unset?", param, ctx)
        return str(value)


NAMED = _Named()
