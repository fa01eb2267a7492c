"""`edgellm keys`: who may use the server, and how much."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from edgellm.cli.ids import by_beginning, short
from edgellm.cli.lazy import OrderedGroup
from edgellm.cli.named import NAMED
from edgellm.cli.names import ADAPTER, COLLECTION_NAME, MODEL
from edgellm.cli.style import Part, bad, bold, dim, good, warn
from edgellm.cli.table import Column
from edgellm.cli.units import moment
from edgellm.cli.world import World, pass_world
from edgellm.errors import NotFound

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM
    from edgellm.store import Key, Limits

JSON = click.option("--json", "as_data", is_flag=True, help="Print JSON.")
STATES = {"active": good, "expired": warn, "revoked": bad}


@click.group("keys", cls=OrderedGroup)
def keys() -> None:
    """Make, list and revoke keys of the server's clients.

    A key is a tenant: what it asks, uploads and caches is its own, and no other key sees it.
    """


@keys.command("create")
@click.argument("name", type=NAMED)
@click.option(
    "--role",
    type=click.Choice(["admin", "user", "viewer"]),
    default="user",
    show_default=True,
    help="An admin manages, a user asks models, a viewer sees figures.",
)
@click.option("--days", type=float, metavar="N", help="Valid for N days; without an end otherwise.")
@click.option(
    "--model", "models", type=MODEL, multiple=True, metavar="MODEL", help="Allow this model or alias; may be repeated."
)
@click.option(
    "--collection",
    "collections",
    type=COLLECTION_NAME,
    multiple=True,
    metavar="NAME",
    help="Allow this collection; may be repeated.",
)
@click.option("--adapter", type=ADAPTER, metavar="NAME", help="Answer every request with this adapter.")
@click.option("--tokens-per-minute", type=int, metavar="N", help="Tokens, read and written together.")
@click.option("--tokens-per-day", type=int, metavar="N", help="The same for a day.")
@click.option("--requests", type=int, metavar="N", help="Requests at once.")
@click.option(
    "--log",
    type=click.Choice(["full", "content-free"]),
    default="full",
    show_default=True,
    help="Whether questions and answers may be kept, or numbers only.",
)
@JSON
@pass_world
def create(world: World, /, name: str, role: Any, days: float | None, as_data: bool, **limits: Any) -> None:
    """Make a key; its secret is shown this once."""
    from edgellm.store import Limits  # deferred: help needs no store

    with world.open() as edge:
        wanted = Limits(**limits)
        absent = edge.keys.absent(wanted)  # before the key is made: nothing may fail between its making and its showing
        made = edge.keys.create(name, role=role, days=days, limits=wanted)
    if absent:
        world.err.note(f"Not on this machine, so that nothing is allowed by it yet: {', '.join(absent)}.")
    if as_data:
        world.out.json({"secret": made.secret, **_as_json(made.key, time.time())})
        return
    world.out.line(made.secret)
    until = "" if made.key.expires_at is None else f", valid until {_when(made.key.expires_at)}"
    world.err.note(f"The key {short(made.key)} of {name}{until}. Copy it now: it is shown once and kept nowhere.")


@keys.command("list")
@JSON
@pass_world
def list_keys(world: World, as_data: bool) -> None:
    """List keys, newest first, without their secrets."""
    with world.open() as edge:
        found = edge.keys.list()
    now = time.time()
    if as_data:
        world.out.json([_as_json(key, now) for key in found])
    elif not found:
        world.err.note("No key yet; `edgellm keys create NAME` makes one.")
    else:
        names = ("ID", "NAME", "ROLE", "STATE", "KEY", "USED", "UNTIL")
        header = [*(Column(name) for name in names), Column("LIMITS", flexible=True)]
        world.out.table(header, [_row(key, now) for key in found])


@keys.command("revoke")
@click.argument("key_id", metavar="ID", type=NAMED)
@JSON
@pass_world
def revoke(world: World, key_id: str, as_data: bool) -> None:
    """Make a key invalid for good; running servers notice within a second."""
    with world.open() as edge:
        key = edge.keys.revoke(find_key(edge, key_id).id)
    if as_data:
        world.out.json(_as_json(key, time.time()))
    else:
        world.out.line(good("revoked"), "  ", bold(key.name), "  ", dim(short(key)))


def find_key(edge: EdgeLLM, wanted: str) -> Key:
    """The key with this id, or the only one whose id begins so. Raises: NotFound, InvalidInput."""
    found = by_beginning(wanted, edge.keys.list())
    if found is None:
        raise NotFound(f"No key has the id {wanted!r}.", hint="`edgellm keys list` shows them.")
    return found


def _row(key: Key, now: float) -> tuple[Part, ...]:
    state = key.state(now)
    used = "never" if key.last_used_at is None else moment(key.last_used_at, now)
    until = "" if key.expires_at is None else _when(key.expires_at)
    return (
        short(key),
        bold(key.name),
        key.role,
        STATES[state](state),
        f"{key.prefix}…",
        dim(used),
        dim(until),
        dim(_in_words(key.limits)),
    )


def _in_words(limits: Limits) -> str:
    """What a key is limited to, in one line; empty when nothing is."""
    said = [*limits.models, *(f"+{name}" for name in limits.collections)]
    said += [f"@{limits.adapter}"] if limits.adapter else []
    numbers = ((limits.tokens_per_minute, "tok/min"), (limits.tokens_per_day, "tok/day"), (limits.requests, "at once"))
    said += [f"{number:,} {unit}" for number, unit in numbers if number is not None]
    return ", ".join([*said, *(["content-free"] if limits.log == "content-free" else [])])


def _when(timestamp_s: float) -> str:
    """A day to come, local time."""
    return time.strftime("%Y-%m-%d", time.localtime(timestamp_s))


def _as_json(key: Key, now: float) -> dict[str, Any]:
    return {"state": key.state(now), **asdict(key)}
