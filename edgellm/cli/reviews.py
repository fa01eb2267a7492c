"""`edgellm review`: decide what people's feedback and failures teach."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgellm.cli.ids import by_beginning, short
from edgellm.cli.lazy import OrderedGroup
from edgellm.cli.reviews_show import described, item_rows, show_item
from edgellm.cli.style import bold, dim, good, warn
from edgellm.cli.table import Column
from edgellm.cli.units import count
from edgellm.cli.world import World, pass_world

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM
    from edgellm.sdk.lessons import Lessons
    from edgellm.store import ReviewItem

ALL = 1_000_000
REASONS = (
    "correction", "thumbs_down", "thumbs_up", "weak_evidence", "schema_refused", "tool_error", "regenerated",
)  # fmt: skip
JSON = click.option("--json", "as_data", is_flag=True, help="Print JSON.")
UNMASKED = click.option("--unmasked", is_flag=True, help="Show personal data, too, which is masked otherwise.")
FOR = click.option(
    "--for", "learner", metavar="KEY", help="Who learns from it: a key's id; whose answer it is by default."
)
TENANT = click.option("--tenant", metavar="KEY", help="Only answers to this key, by its id; local: this machine's own.")
LOCAL = "local"


@click.group("review", cls=OrderedGroup)
def review() -> None:
    """Decide what people's feedback and failures teach.

    Ratings, corrections, answers that were asked for again, and failures come here, from the app and from the server.
    ID is an item's id or its beginning, as `list` shows it. What is accepted is learnt by `edgellm improve`, or written
    to files by `edgellm review export`. Personal data is masked.
    """


@review.command("list")
@click.option(
    "--state",
    type=click.Choice(["open", "accepted", "rejected", "merged", "all"]),
    default="open",
    show_default=True,
    help="Which items.",
)
@click.option(
    "--reason",
    type=click.Choice(REASONS),
    metavar="REASON",
    help=f"Only items that are there for this reason: {', '.join(REASONS)}.",
)
@TENANT
@click.option(
    "-n", "--limit", type=click.IntRange(1, ALL), default=20, show_default=True, metavar="N", help="Show at most N."
)
@UNMASKED
@JSON
@pass_world
def list_items(world: World, /, state: str, limit: int, unmasked: bool, as_data: bool, **wanted: Any) -> None:
    """List what waits for a decision, the latest first."""
    tenant = _tenant(wanted["tenant"])
    with world.open() as edge:
        asked = None if state == "all" else state
        found = edge.reviews.list(state=asked, reason=wanted["reason"], tenant=tenant, limit=limit)
        shown = [_shown(edge, item, unmasked) for item in found]
        total = sum(edge.reviews.count(asked, tenant).values())
    if as_data:
        world.out.json([described(item, masked) for item, masked in shown])
    elif not shown:
        world.err.note("Nothing waits for a decision." if state == "open" else "There are none.")
        world.err.note("Rate and correct answers in the app or through the server; failures come by themselves.")
    else:
        header = [Column(name) for name in ("ID", "SINCE", "REASON", "STATE")]
        header += [Column("KEY", flexible=True), Column("QUESTION", flexible=True)]
        world.out.table(header, item_rows([item for item, _ in shown], time.time()))
        if len(shown) < total and wanted["reason"] is None:
            world.err.note(f"{total:,} in all; --limit shows more.")


@review.command("show")
@click.argument("item_id", metavar="ID")
@UNMASKED
@JSON
@pass_world
def show(world: World, item_id: str, unmasked: bool, as_data: bool) -> None:
    """Show an item with all it came from."""
    with world.open() as edge:
        item, masked = _shown(edge, find_item(edge, item_id), unmasked)
    if as_data:
        world.out.json(described(item, masked))
    else:
        show_item(world, item, masked)


@review.command("accept")
@click.argument("item_ids", metavar="ID...", nargs=-1, required=True)
@FOR
@JSON
@pass_world
def accept(world: World, item_ids: tuple[str, ...], learner: str | None, as_data: bool) -> None:
    """Let items teach what they say: the correction, or the answer itself where it was good."""
    with world.open() as edge:
        found = [find_item(edge, item_id) for item_id in item_ids]
        done = [edge.reviews.accept(item.id, tenant=_tenant(learner)) for item in found]
    _tell(world, done, as_data)


@review.command("edit")
@click.argument("item_id", metavar="ID")
@click.option("--prompt", metavar="TEXT", help="The question in other words.")
@click.option("--answer", metavar="TEXT", help="What should have been answered.")
@FOR
@JSON
@pass_world
def edit(world: World, /, item_id: str, learner: str | None, as_data: bool, **words: str | None) -> None:
    """Let an item teach in your words."""
    if words["prompt"] is None and words["answer"] is None:
        raise click.UsageError("Give --prompt, --answer or both; `edgellm review accept` takes the item as it is.")
    with world.open() as edge:
        item = find_item(edge, item_id)
        done = edge.reviews.accept(item.id, words["prompt"], words["answer"], tenant=_tenant(learner))
    _tell(world, [done], as_data)


@review.command("reject")
@click.argument("item_ids", metavar="ID...", nargs=-1, required=True)
@JSON
@pass_world
def reject(world: World, item_ids: tuple[str, ...], as_data: bool) -> None:
    """Let items teach nothing."""
    with world.open() as edge:
        found = [find_item(edge, item_id) for item_id in item_ids]
        done = [edge.reviews.reject(item.id) for item in found]
    _tell(world, done, as_data)


@review.command("reopen")
@click.argument("item_id", metavar="ID")
@JSON
@pass_world
def reopen(world: World, item_id: str, as_data: bool) -> None:
    """Take a decision back."""
    with world.open() as edge:
        done = edge.reviews.reopen(find_item(edge, item_id).id)
    _tell(world, [done], as_data)


@review.command("merge")
@click.argument("item_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--into", metavar="ID", help="The item that stands for all; the first one by default.")
@JSON
@pass_world
def merge(world: World, item_ids: tuple[str, ...], into: str | None, as_data: bool) -> None:
    """Let one item stand for several that are much the same."""
    with world.open() as edge:
        found = [find_item(edge, item_id) for item_id in item_ids]
        leader = find_item(edge, into) if into else found[0]
        done = edge.reviews.merge([item.id for item in found], leader.id)
    if as_data:
        world.out.json(described(done, {}))
    else:
        others = len({item.id for item in found} - {done.id})
        world.out.line(good("merged"), "  ", f"{count(others, 'item')} into ", bold(short(done)))


@review.command("clusters")
@TENANT
@UNMASKED
@JSON
@pass_world
def clusters(world: World, tenant: str | None, unmasked: bool, as_data: bool) -> None:
    """Show open items that ask much the same."""
    with world.open() as edge:
        found = edge.reviews.clusters(_tenant(tenant) or "")
        groups = [[_shown(edge, item, unmasked) for item in group] for group in found.groups]
    by = f"the embedder {found.embedder}" if found.embedder else "their words"
    if as_data:
        items = [[described(*each) for each in group] for group in groups]
        world.out.json({"by": found.by, "embedder": found.embedder, "groups": items})
        return
    for group in groups:
        items_of = [item for item, _ in group]
        world.out.line(
            bold(count(len(items_of), "item")), dim("  edgellm review merge " + " ".join(map(short, items_of)))
        )
        for item in items_of:
            world.out.hanging(("  ",), item.question)
    world.err.note(f"{count(len(groups), 'group')} of items that ask much the same, by {by}.")


@review.command("export")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--tenant", metavar="KEY", default="", help="Who learns, by a key's id; this machine's own by default.")
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Only what was decided since this day."
)
@JSON
@pass_world
def export(world: World, folder: Path, tenant: str, since: datetime | None, as_data: bool) -> None:
    """Write what was accepted as files to learn from.

    `rows.jsonl` is for `edgellm data build` and `edgellm train run --data`; `pairs.jsonl` and `thumbs.jsonl` are for
    `edgellm train run --objective`. Contradictions are left out and named.
    """
    with world.open() as edge:
        lessons = edge.reviews.lessons(_tenant(tenant), None if since is None else since.timestamp())
        files = edge.reviews.write(lessons, folder)
    if as_data:
        paths = {"rows": files.rows, "pairs": files.pairs, "thumbs": files.thumbs}
        told = {name: None if path is None else str(path) for name, path in paths.items()}
        world.out.json({**told, "counts": _counts(lessons), "held": lessons.held, "until": lessons.until})
        return
    for path, number in zip((files.rows, files.pairs, files.thumbs), _counts(lessons).values(), strict=True):
        if path is not None:
            world.out.line(good("written"), "  ", bold(str(path)), dim(f"  {count(number, 'line')}"))
    for held in lessons.held:
        world.out.line(warn("held back"), "  ", bold(held.id[:10]), "  ", held.says)
    if not any(_counts(lessons).values()):
        world.err.note("Nothing that was accepted can be learnt from.")


def find_item(edge: EdgeLLM, wanted: str) -> ReviewItem:
    """The item with this id, or the only one whose id begins with it. Raises: NotFound, InvalidInput."""
    found = by_beginning(wanted, edge.reviews.list(state=None, limit=ALL)) if len(wanted) < 26 else None
    return found or edge.reviews.get(wanted)


def _shown(edge: EdgeLLM, item: ReviewItem, unmasked: bool) -> tuple[ReviewItem, dict[str, int]]:
    if unmasked:
        return item, {}
    masked = edge.reviews.masked(item)
    return masked.item, dict(masked.found)


def _tenant(said: str | None) -> str | None:
    return "" if said == LOCAL else said


def _counts(lessons: Lessons) -> dict[str, int]:
    return {"rows": len(lessons.rows), "pairs": len(lessons.pairs), "thumbs": len(lessons.thumbs)}


def _tell(world: World, done: Sequence[ReviewItem], as_data: bool) -> None:
    if as_data:
        world.out.json([{"id": item.id, "state": item.state.value, "learner": item.learner} for item in done])
        return
    for item in done:
        learner = f"  for {item.learner}" if item.learner else ""
        paint = good if item.state.value == "accepted" else warn
        world.out.line(paint(item.state.value), "  ", bold(short(item)), dim(learner))
