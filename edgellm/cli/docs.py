"""`edgellm docs`: collections of documents."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from edgellm.cli import docs_ask
from edgellm.cli.diagnostics import Code
from edgellm.cli.docs_names import COLLECTION, JSON
from edgellm.cli.lazy import OrderedGroup
from edgellm.cli.style import bad, bold, dim, good, warn
from edgellm.cli.table import Column
from edgellm.cli.units import clock, count, moment
from edgellm.cli.waiting import leave, wait_for
from edgellm.cli.world import World, pass_world
from edgellm.errors import InvalidInput
from edgellm.sizes import size

if TYPE_CHECKING:
    from edgellm.retrieval.values import CollectionInfo, IndexedFile
    from edgellm.sdk.facade import EdgeLLM
    from edgellm.store.records import StoredJob

DETACH = click.option("--detach", is_flag=True, help="Leave it to a job, which goes on without this command.")
FAILED_SHOWN = 20


@click.group("docs", cls=OrderedGroup)
def docs() -> None:
    """Ask your own documents, with citations you can check.

    A collection is one file on this machine, made of PDF, Word, PowerPoint, Excel, CSV, HTML, Markdown, text, source
    code, mail and logs. Nothing leaves the machine.
    """


@docs.command("add")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@COLLECTION
@click.option("--sync", is_flag=True, help="Remove what is no longer below PATH.")
@click.option("--watch", is_flag=True, help="Go on looking for changes, new files and removed ones, until Ctrl+C.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Give every file this tag; may be repeated.")
@DETACH
@JSON
@pass_world
def add(world: World, /, paths: tuple[str, ...], collection: str, detach: bool, as_data: bool, **said: Any) -> int:
    """Read files and folders into a collection.

    What has not changed is left alone, what has is read again. A file that cannot be read fails alone, with its
    reason. Ctrl+C stops; the same command goes on.
    """
    with world.open() as edge:
        job = edge.documents(collection).add(paths, **said)
        return _finish(world, edge, job, detach, as_data)


@docs.command("sync")
@COLLECTION
@DETACH
@JSON
@pass_world
def sync(world: World, /, collection: str, detach: bool, as_data: bool) -> int:
    """Bring a collection up to date with the files and folders that were added to it."""
    with world.open() as edge:
        return _finish(world, edge, edge.documents(collection).sync(), detach, as_data)


def _finish(world: World, edge: EdgeLLM, job: StoredJob, detach: bool, as_data: bool) -> int:
    """Wait for an ingest and show what it did."""
    if detach:
        return leave(world, job, as_data)
    result = wait_for(world, edge, job)
    world.err.clear_status()
    if as_data:
        world.out.json(result)
    else:
        _show_ingest(world, result)
    has_files = result["added"] + result["changed"] + result["unchanged"]
    return Code.DONE if has_files or not result["failed"] else Code.ANSWER_IS_NO


def _show_ingest(world: World, result: dict[str, Any]) -> None:
    numbers = ((result[key], key) for key in ("added", "changed", "unchanged", "removed"))
    said = ", ".join(f"{number:,} {what}" for number, what in numbers if number) or "nothing to do"
    passages = f"{count(result['chunks'], 'passage')} in {clock(result['seconds'])}" if result["chunks"] else ""
    world.out.line(good("read"), "  ", bold(result["collection"]), "  ", said, "  ", dim(passages))
    for failed in result["failed"][:FAILED_SHOWN]:
        world.out.line(warn("failed"), "  ", failed["file"], dim(f"  {failed['reason']}"))
    left = len(result["failed"]) - FAILED_SHOWN
    if left > 0:
        world.err.note(f"{left:,} more failed: edgellm docs files -c {result['collection']} --failed")


@docs.command("list")
@JSON
@pass_world
def list_collections(world: World, as_data: bool) -> None:
    """List collections."""
    with world.open() as edge:
        found = edge.collections.list()
    if as_data:
        world.out.json([asdict(each) for each in found])
    elif not found:
        world.err.note("No collection yet; `edgellm docs add PATH -c NAME` makes one.")
    else:
        names = ("FILES", "FAILED", "PASSAGES", "SIZE")
        header = [Column("COLLECTION"), *(Column(name, right=True) for name in names)]
        world.out.table([*header, Column("EMBEDDER", flexible=True)], [_collection_row(each) for each in found])


def _collection_row(info: CollectionInfo) -> tuple[Any, ...]:
    if info.reason:
        return (bold(info.name), "", "", "", size(info.size_bytes), bad(info.reason))
    numbers = (f"{number:,}" for number in (info.files, info.failed, info.chunks))
    return (bold(info.name), *numbers, size(info.size_bytes), dim(info.embedder))


@docs.command("files")
@COLLECTION
@click.option("--failed", "only_failed", is_flag=True, help="Only files that could not be read, with their reasons.")
@JSON
@pass_world
def files(world: World, /, collection: str, only_failed: bool, as_data: bool) -> None:
    """List the files of a collection."""
    with world.open() as edge:
        found = [each for each in edge.documents(collection).files() if each.reason or not only_failed]
    if as_data:
        world.out.json([asdict(each) for each in found])
    elif found:
        header = [Column("KIND"), Column("PAGES", right=True), Column("PASSAGES", right=True), Column("CHANGED")]
        world.out.table([*header, Column("FILE", flexible=True)], [_file_row(each, time.time()) for each in found])
    else:
        world.err.note("No file could not be read." if only_failed else "The collection is empty.")


def _file_row(file: IndexedFile, now: float) -> tuple[Any, ...]:
    where = (f"{file.pages:,}" if file.pages else "", f"{file.chunks:,}", dim(moment(file.modified, now)))
    if file.reason:
        return (bad("failed"), *where, f"{file.name}: {file.reason}")
    return (file.kind, *where, file.name)


@docs.command("remove")
@click.argument("names", nargs=-1, metavar="[FILE]...")
@COLLECTION
@click.option("--all", "whole", is_flag=True, help="Delete the collection itself.")
@JSON
@pass_world
def remove(world: World, /, names: tuple[str, ...], collection: str, whole: bool, as_data: bool) -> int:
    """Take files out of a collection, by the names that `files` shows; the files themselves stay."""
    if whole == bool(names):
        raise InvalidInput("Name files to take out, or give --all to delete the collection.", field="names")
    with world.open() as edge:
        if whole:
            edge.collections.remove(collection)
        removed = 0 if whole else edge.documents(collection).remove(names)
    if as_data:
        world.out.json({"collection": collection, "is_deleted": whole, "files": removed})
    else:
        what = bold(collection) if whole else count(removed, "file")
        world.out.line(good("removed") if whole or removed else warn("not there"), "  ", what)
    return Code.DONE if whole or removed else Code.ANSWER_IS_NO


@docs.command("reindex")
@COLLECTION
@click.option("--embedder", default="", metavar="NAME", help="An embedder of the catalogue, or a folder; the same one.")
@DETACH
@JSON
@pass_world
def reindex(world: World, /, collection: str, embedder: str, detach: bool, as_data: bool) -> int:
    """Make a collection's vectors anew, with another embedder; searches use the old ones until the end."""
    with world.open() as edge:
        job = edge.documents(collection).reindex(embedder)
        if detach:
            return leave(world, job, as_data)
        result = wait_for(world, edge, job)
    world.err.clear_status()
    if as_data:
        world.out.json(result)
    else:
        passages = f"{count(result['chunks'], 'passage')} in {clock(result['seconds'])}"
        world.out.line(good("embedded"), "  ", bold(collection), "  ", result["embedder"], "  ", dim(passages))
        if result["cut"]:
            longer = f"{count(result['cut'], 'passage')} longer than what {result['embedder']} reads"
            world.err.note(f"{longer}: the ends are found by words only. A new collection would have shorter ones.")
    return Code.DONE


@docs.command("verify")
@COLLECTION
@JSON
@pass_world
def verify(world: World, /, collection: str, as_data: bool) -> int:
    """Read a collection whole and say what is wrong with it."""
    with world.open() as edge:
        found = edge.documents(collection).verify()
    if as_data:
        world.out.json({"collection": collection, "is_sound": not found, "defects": found})
    elif found:
        for defect in found:
            world.out.line(bad("wrong"), "  ", defect)
        world.err.note("Read it again: remove the collection and add its files.")
    else:
        world.out.line(good("sound"), "  ", bold(collection))
    return Code.ANSWER_IS_NO if found else Code.DONE


for command in (docs_ask.search, docs_ask.ask, docs_ask.evaluate):
    docs.add_command(command)
