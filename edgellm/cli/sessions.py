"""`edgellm sessions`: conversations that are kept."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgellm.cli.answer import ENDINGS
from edgellm.cli.ids import SHOWN, by_beginning, short
from edgellm.cli.lazy import OrderedGroup
from edgellm.cli.style import Part, bold, dim, warn
from edgellm.cli.table import Column
from edgellm.cli.units import count, moment
from edgellm.cli.world import World, pass_world
from edgellm.errors import SessionNotFound

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM
    from edgellm.store.records import SearchHit
    from edgellm.store.sessions import Session

MOST = 1_000_000
LIMIT = click.option(
    "-n", "--limit", type=click.IntRange(1, MOST), default=20, show_default=True, metavar="N", help="Show at most N."
)
JSON = click.option("--json", "as_data", is_flag=True, help="Print JSON.")
SCANNED = 1000
"""Sessions, newest first, among which the beginning of an id is looked for; and hits of a search."""


@click.group("sessions", cls=OrderedGroup)
def sessions() -> None:
    """List, search, export and delete conversations.

    ID is a session's id or its beginning, as `list` shows it; `last` is the most recent session.
    """


@sessions.command("list")
@LIMIT
@JSON
@pass_world
def list_sessions(world: World, limit: int, as_data: bool) -> None:
    """List sessions, most recent first."""
    with world.open() as edge:
        found = edge.sessions.list(limit=limit)
    if as_data:
        world.out.json(found)
    elif not found:
        world.err.note("No sessions yet; `edgellm chat` begins one.")
    else:
        header = [Column("ID"), Column("USED"), Column("MODEL", flexible=True), Column("TITLE", flexible=True)]
        now = time.time()
        world.out.table(
            header,
            [
                (short(item), dim(moment(item.updated_at, now)), item.model or "", item.title or dim("untitled"))
                for item in found
            ],
        )


@sessions.command("show")
@click.argument("session_id", metavar="ID")
@JSON
@pass_world
def show(world: World, session_id: str, as_data: bool) -> None:
    """Show a conversation."""
    with world.open() as edge:
        session = find_session(edge, session_id)
        messages = edge.sessions.messages(session.id)
    if as_data:
        world.out.json({"session": session, "messages": messages})
        return
    world.out.line(bold(session.title or "untitled"), dim(f"  {short(session)} · {count(len(messages), 'message')}"))
    for message in messages:
        ending = ENDINGS.get(message.finish_reason or "")
        world.out.line()
        world.out.line(bold(message.role), dim(f"  {ending}" if ending else ""))
        world.out.text(message.content)


@sessions.command("search")
@click.argument("words", nargs=-1, required=True)
@LIMIT
@JSON
@pass_world
def search(world: World, words: tuple[str, ...], limit: int, as_data: bool) -> int:
    """Search all messages; ends with 1 when nothing is found.

    Each session is shown once, with the best place; --json gives every place.
    """
    with world.open() as edge:
        hits = edge.sessions.search(" ".join(words), limit if as_data else SCANNED)
    if as_data:
        world.out.json(hits)
    elif hits:
        _show_hits(world, hits, limit)
    else:
        world.err.note("Nothing found.")
    return 0 if hits else 1


def _show_hits(world: World, hits: Sequence[SearchHit], limit: int) -> None:
    """Each session once, with its best hit, and how many more it has."""
    by_session: dict[str, list[SearchHit]] = {}
    for hit in hits:
        by_session.setdefault(hit.session_id, []).append(hit)
    for best, *others in list(by_session.values())[:limit]:
        more = dim(f"  and {count(len(others), 'more place')}") if others else ""
        world.out.line(best.session_id[:SHOWN], "  ", bold(best.title or "untitled"), more)
        world.out.line("  ", *highlighted(best.snippet, best.highlights))


@sessions.command("export")
@click.argument("session_id", metavar="ID")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write into FILE, which must be new."
)
@click.option("--json", "as_data", is_flag=True, help="JSON that loses nothing, instead of Markdown.")
@pass_world
def export(world: World, session_id: str, output: Path | None, as_data: bool) -> None:
    """Write a conversation as Markdown or JSON."""
    with world.open() as edge:
        session = find_session(edge, session_id)
        if output is not None:
            export_to(edge, session.id, output, as_data=as_data)
            world.err.note(f"written to {output}")
        else:
            _print_export(world, edge, session.id, as_data)


def _print_export(world: World, edge: EdgeLLM, session_id: str, as_data: bool) -> None:
    if as_data:  # escaped, not cleaned: it promises to lose nothing
        world.out.json(json.loads(edge.sessions.export(session_id, "json")))
    else:
        world.out.text(edge.sessions.export(session_id, "markdown"))


@sessions.command("delete")
@click.argument("session_ids", metavar="ID...", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@JSON
@pass_world
def delete(world: World, session_ids: tuple[str, ...], yes: bool, as_data: bool) -> None:
    """Delete conversations for good."""
    deleted = []
    with world.open() as edge:
        found = {session.id: session for session in (find_session(edge, wanted) for wanted in session_ids)}
        for session in found.values():
            if world.confirms(f"Delete {session.title or short(session)!r}?", is_agreed=yes):
                edge.sessions.delete(session.id)
                deleted.append(session)
    if as_data:
        world.out.json(deleted)
    else:
        world.err.note(f"deleted {count(len(deleted), 'session')}")


def highlighted(text: str, spans: Sequence[tuple[int, int]]) -> list[Part]:
    """`text` cut into parts, with the spans standing out."""
    parts: list[Part] = []
    end = 0
    for start, stop in spans:
        parts += [text[end:start], warn(text[start:stop])]
        end = stop
    return [*parts, text[end:]]


def find_session(edge: EdgeLLM, wanted: str) -> Session:
    """The session with this id, or the only one whose id begins so; `last` is the most recent one.

    Raises: SessionNotFound; InvalidInput when several begin so.
    """
    if wanted == "last":
        latest = edge.sessions.latest()
        if latest is None:
            raise SessionNotFound("There is no session yet.", hint="`edgellm chat` begins one.")
        return latest
    try:
        return edge.sessions.get(wanted)
    except SessionNotFound:
        found = by_beginning(wanted, edge.sessions.list(limit=SCANNED))
    if found is None:
        raise SessionNotFound(f"No session has the id {wanted!r}.", hint="`edgellm sessions list` shows them.")
    return found


def export_to(edge: EdgeLLM, session_id: str, path: Path, *, as_data: bool = False) -> Path:
    """Write a conversation into a new file: JSON if asked for or by the name's ending, else Markdown.

    Raises: FileExistsError and other OSErrors.
    """
    is_json = as_data or path.suffix.lower() == ".json"
    text = edge.sessions.export(session_id, "json" if is_json else "markdown")
    with path.open("x", encoding="utf-8") as handle:
        handle.write(text)
    return path
