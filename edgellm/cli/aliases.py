"""`edgellm aliases`: other names for models, which clients ask for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from edgellm.cli.lazy import OrderedGroup
from edgellm.cli.named import NAMED
from edgellm.cli.names import MODEL
from edgellm.cli.style import Part, bad, bold, dim, good
from edgellm.cli.table import Column
from edgellm.cli.units import moment
from edgellm.cli.world import World, pass_world

if TYPE_CHECKING:
    from edgellm.store import AliasChange

JSON = click.option("--json", "as_data", is_flag=True, help="Print JSON.")


@click.group("aliases", cls=OrderedGroup)
def aliases() -> None:
    """Give models other names, which stay when the model changes.

    An alias stands for MODEL, MODEL@ADAPTER, MODEL+COLLECTION or MODEL@ADAPTER+COLLECTION. Moving it is one step for
    all clients; moving it back is another.
    """


@aliases.command("set")
@click.argument("name", type=NAMED)
@click.argument("target", type=MODEL)
@JSON
@pass_world
def set_alias(world: World, name: str, target: str, as_data: bool) -> None:
    """Make the alias NAME for TARGET, or move it there."""
    with world.open() as edge:
        alias = edge.aliases.set(name, target)
    if as_data:
        world.out.json(alias)
    else:
        world.out.line(good("set"), "  ", bold(alias.name), "  ", alias.target)


@aliases.command("list")
@JSON
@pass_world
def list_aliases(world: World, as_data: bool) -> None:
    """List aliases."""
    with world.open() as edge:
        found = edge.aliases.list()
    if as_data:
        world.out.json(found)
    elif not found:
        world.err.note("No alias yet; `edgellm aliases set NAME MODEL` makes one.")
    else:
        now = time.time()
        header = [Column("ALIAS"), Column("CHANGED"), Column("STANDS FOR", flexible=True)]
        rows = [(bold(each.name), dim(moment(each.updated_at, now)), each.target) for each in found]
        world.out.table(header, rows)


@aliases.command("remove")
@click.argument("name", type=NAMED)
@JSON
@pass_world
def remove(world: World, name: str, as_data: bool) -> None:
    """Take an alias away; what it stood for stays."""
    with world.open() as edge:
        edge.aliases.remove(name)
    if as_data:
        world.out.json({"removed": name})
    else:
        world.out.line(good("removed"), "  ", bold(name))


@aliases.command("history")
@click.argument("name", type=NAMED)
@JSON
@pass_world
def history(world: World, name: str, as_data: bool) -> None:
    """Show what an alias stood for, latest first, and who moved it."""
    with world.open() as edge:
        found = edge.aliases.history(name)
    if as_data:
        world.out.json(found)
    else:
        now = time.time()
        header = [Column("AT"), Column("BY"), Column("STOOD FOR", flexible=True)]
        world.out.table(header, [_row(change, now) for change in found])


def _row(change: AliasChange, now: float) -> tuple[Part, ...]:
    target: Part = bad("removed") if change.target is None else change.target
    return (dim(moment(change.at, now)), change.actor, target)
