"""`edgellm settings`: what can be chosen once for all commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from edgellm.cli.lazy import OrderedGroup
from edgellm.cli.style import bold, dim
from edgellm.cli.table import Column
from edgellm.cli.world import World, pass_world
from edgellm.errors import InvalidSettings

if TYPE_CHECKING:
    from edgellm.settings import SettingInfo

JSON = click.option("--json", "as_data", is_flag=True, help="Print JSON.")


@click.group("settings", cls=OrderedGroup)
def settings() -> None:
    """Show and change settings."""


@settings.command("show")
@click.argument("key", required=False)
@JSON
@pass_world
def show(world: World, key: str | None, as_data: bool) -> None:
    """Show all settings in force, or what one of them means."""
    from edgellm.settings import describe, load_settings

    values = _flat(load_settings(world.home, world.environment))
    described = {info.key: info for info in describe()}
    if key is not None:
        _explain(world, described, values, key, as_data)
    elif as_data:
        world.out.json(values)
    else:
        header = [Column("KEY"), Column("VALUE", flexible=True), Column("", flexible=True)]
        rows = [
            (
                name,
                (bold if value != described[name].default else str)(_shown(value)),
                dim("changed") if value != described[name].default else "",
            )
            for name, value in values.items()
        ]
        world.out.table(header, rows)


def _explain(world: World, described: dict[str, SettingInfo], values: dict[str, Any], key: str, as_data: bool) -> None:
    table, entry = _entry(key, described)
    if table and entry in values[table]:
        info = replace(described[table], type="text", default="")
        values = {key: values[table][entry]}
    elif key in described:
        info = described[key]
    else:
        raise unknown_key(key, list(described))
    if as_data:
        world.out.json(
            {"key": key, "value": values[key], "default": info.default, "type": info.type, "help": info.help}
        )
        return
    world.out.line(bold(key))
    world.out.hanging((), info.help.replace("\n", " "))
    world.out.facts(
        [
            ("value", _shown(values[key])),
            ("default", _shown(info.default)),
            ("type", info.type),
            ("variable", info.variable),
        ]
    )


def _entry(key: str, described: Mapping[str, SettingInfo]) -> tuple[str, str]:
    """The table and the name of a key such as `prompts.Translator`; empty texts for every other key."""
    table, _, entry = key.partition(".")
    is_entry = bool(entry) and table in described and described[table].type.startswith("a table")
    return (table, entry) if is_entry else ("", "")


@settings.command("set")
@click.argument("key")
@click.argument("value")
@JSON
@pass_world
def set_value(world: World, key: str, value: str, as_data: bool) -> None:
    """Write one setting into the file; VALUE `default` takes it out again.

    An entry of a table is a KEY too: `edgellm settings set prompts.Translator "Translate into Hindi."`
    """
    from edgellm.settings import describe, parse_setting, save_setting

    described = {info.key: info for info in describe()}
    table, _ = _entry(key, described)
    if not table and key not in described:
        raise unknown_key(key, list(described))
    variable = described[table or key].variable
    parsed = None
    if value != "default":
        parsed = value if table else parse_setting(key, value, "the command line")
    save_setting(world.home, key, parsed)
    if world.environment.get(variable):
        world.err.warn(f"{variable} is set and wins over the file.")
    if as_data:
        world.out.json({"key": key, "value": parsed, "path": world.home.settings})
    else:
        world.err.note(f"written to {world.home.settings}")


@settings.command("path")
@JSON
@pass_world
def path(world: World, as_data: bool) -> None:
    """Print where the settings file is."""
    if as_data:
        world.out.json({"path": world.home.settings})
    else:
        world.out.line(str(world.home.settings))


def unknown_key(key: str, known: list[str]) -> InvalidSettings:
    """The error for a key that does not exist, with the nearest one that does."""
    near = get_close_matches(key, known, 1)
    hint = f"Did you mean {near[0]!r}?" if near else "`edgellm settings show` lists them."
    return InvalidSettings(f"There is no setting {key!r}.", hint=hint, field=key)


def _flat(tree: object) -> dict[str, Any]:
    """Every leaf by its dotted key."""
    from dataclasses import fields, is_dataclass

    found: dict[str, Any] = {}
    for item in fields(tree):  # type: ignore[arg-type]
        value = getattr(tree, item.name)
        if is_dataclass(value):
            found |= {f"{item.name}.{name}": inner for name, inner in _flat(value).items()}
        else:
            found[item.name] = value
    return found


def _shown(value: Any) -> str:
    if value is None:
        return "automatic"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value or '""'
    return ", ".join(f"{name}={item}" for name, item in value.items()) if isinstance(value, dict) else str(value)
