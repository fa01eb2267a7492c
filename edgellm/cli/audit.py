"""`edgellm audit`: who did what, and whether the log is whole."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from edgellm.cli.diagnostics import Code
from edgellm.cli.lazy import OrderedGroup
from edgellm.cli.named import NAMED
from edgellm.cli.style import Part, bad, bold, dim, good
from edgellm.cli.table import Column
from edgellm.cli.world import World, pass_world

if TYPE_CHECKING:
    from edgellm.store import AuditEntry

JSON = click.option("--json", "as_data", is_flag=True, help="Print JSON.")


@click.group("audit", cls=OrderedGroup)
def audit() -> None:
    """Read the audit log and check that nobody changed it.

    Keys, aliases and what administrators do through the server leave an entry each. Entries are chained by hashes.
    """


@audit.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="At most N.")
@click.option("--before", type=int, metavar="NUMBER", help="Only entries before this one.")
@JSON
@pass_world
def list_entries(world: World, limit: int, before: int | None, as_data: bool) -> None:
    """List entries, newest first."""
    with world.open() as edge:
        found = edge.audit.list(limit, before)
    if as_data:
        world.out.json(found)
    elif not found:
        world.err.note("No entry.")
    else:
        header = [Column("ENTRY", right=True), Column("AT"), Column("ACTOR"), Column("ACTION"), Column("TARGET")]
        world.out.table([*header, Column("FACTS", flexible=True)], [_row(entry) for entry in found])


@audit.command("verify")
@click.option(
    "--head", type=NAMED, metavar="COUNT:HASH", help="The end as an earlier check printed it: nothing may be missing."
)
@JSON
@pass_world
def verify(world: World, head: str | None, as_data: bool) -> int:
    """Check that every entry is as it was written.

    It prints the log's end as COUNT:HASH. Keep that elsewhere: with --head a later check finds out also whether the
    newest entries were cut off or the whole log was written anew.
    """
    from edgellm.store import Head  # deferred: help needs no store

    kept = None if head is None else Head.parse(head)
    with world.open() as edge:
        found = edge.audit.verify(kept)
    if as_data:
        world.out.json({"is_sound": found.is_sound, "head": str(found.head), "check": found})
    elif found.is_sound:
        world.out.line(good("sound"), "  ", _entries(found.entries))
        world.out.line(str(found.head))
    else:
        world.out.line(bad("broken"), "  ", found.reason)
        world.err.note(f"sound before it: {_entries(found.head.count)}")
    return Code.DONE if found.is_sound else Code.ANSWER_IS_NO


def _row(entry: AuditEntry) -> tuple[Part, ...]:
    at = f"{datetime.fromtimestamp(entry.at):%Y-%m-%d %H:%M:%S}"
    return (str(entry.number), dim(at), entry.actor, bold(entry.action), entry.target, dim(_facts(entry.facts)))


def _entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{number:,} entries"


def _facts(facts: Any) -> str:
    return ", ".join(f"{name} {fact}" for name, fact in facts.items() if fact is not None)
