"""`edgellm data draft`, `drafts` and `review`: examples that a model writes from documents, and a person decides on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from edgellm.cli.interrupt import ending
from edgellm.cli.style import Part, bold, dim, good, warn
from edgellm.cli.table import Column
from edgellm.cli.units import clock, count
from edgellm.cli.waiting import leave, wait_for
from edgellm.cli.world import World, pass_world
from edgellm.errors import InvalidInput

if TYPE_CHECKING:
    from edgellm.data.drafts import DraftSet, Pair

JSON = click.option("--json", "as_data", is_flag=True, help="Print JSON.")


@click.command("draft")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--name", required=True, metavar="NAME", help="What the drafts are called.")
@click.option("-m", "--model", metavar="MODEL", help="The model that writes; the default model by default.")
@click.option(
    "--per-passage", type=int, default=3, show_default=True, metavar="N", help="Most pairs of a passage, 1 to 20."
)
@click.option("--detach", is_flag=True, help="Leave it to a job, which goes on without this command.")
@JSON
@pass_world
def draft(world: World, /, paths: tuple[str, ...], detach: bool, as_data: bool, **said: Any) -> int | None:
    """Let a model write questions and answers from documents.

    PATH is a text, a Markdown file, or a folder of them. Every pair is checked against its passage; `edgellm data
    review NAME` then shows you those that are supported. Ctrl+C stops; `edgellm jobs resume` goes on.
    """
    with world.open() as edge:
        model = said["model"] or edge.model
        job = edge.drafts.start(paths, said["name"], model, per_passage=said["per_passage"])
        if detach:
            return leave(world, job, as_data)
        result = wait_for(world, edge, job)
    world.err.clear_status()
    _show_yield(world, result, as_data)
    return None


def _show_yield(world: World, result: dict[str, Any], as_data: bool) -> None:
    """What came out, refusals included."""
    if as_data:
        world.out.json(result)
        return
    passages, drafted = count(result["passages"], "passage"), count(result["drafted"], "pair")
    world.out.line(
        good("drafted"), "  ", bold(result["name"]), "  ",
        f"{result['supported']:,} of {drafted} supported, {passages}, {clock(result['draft_s'])}",
    )  # fmt: skip
    for reason, number in result["refused"].items():
        world.out.line(warn(f"{number:,} refused"), f"  {reason_words(reason)}")
    world.out.line(dim(_judged(result)))
    if result["supported"]:
        world.err.note(f"Look at them: edgellm data review {result['name']}")


def _judged(result: dict[str, Any]) -> str:
    right = f"{result['model']} answered {result['judged_right']} of {result['judged_of']} control questions right"
    if result["counts_model"]:
        return f"{right}: it judged the pairs as well"
    return f"{right}: its own word on the pairs was not asked for"


def reason_words(reason: str) -> str:
    """Why pairs were refused, in words; a reason of another version as it is written."""
    return _REASONS.get(reason, reason)


_REASONS = {
    "unreadable": "cut short, or nothing that can be read",
    "empty": "empty, or far too long",
    "about_the_text": 'asks about "the text"',
    "repeats": "the answer repeats the question, or itself",
    "number": "a number that the passage does not have",
    "name": "a name that the passage does not have",
    "unsupported": "words that the passage does not have",
    "negation": "denies what the passage says, or the other way round",
    "beside_the_point": "question and answer have nothing in common",
    "other_kind": "asks for a name or a number, and gets none",
    "duplicate": "asked or answered before",
    "model": "the model itself says no",
}


@click.command("drafts")
@JSON
@pass_world
def list_drafts(world: World, as_data: bool) -> None:
    """List drafts, and how far their review is."""
    with world.open() as edge:
        found = edge.drafts.list()
    if as_data:
        world.out.json([_described(drafts) for drafts in found])
    elif not found:
        world.err.note("No drafts yet; `edgellm data draft PATH --name NAME` writes some.")
    else:
        names = ("DRAFTED", "SUPPORTED", "PENDING", "ACCEPTED", "EDITED", "REJECTED")
        header = [Column("DRAFTS"), *(Column(name, right=True) for name in names), Column("MODEL", flexible=True)]
        world.out.table(header, [_row(drafts) for drafts in found])


def _row(drafts: DraftSet) -> tuple[Part, ...]:
    counts = drafts.counts
    numbers = (counts.drafted, counts.supported, *counts.statuses.values())
    return (bold(drafts.name), *(f"{number:,}" for number in numbers), dim(drafts.info.model))


def _described(drafts: DraftSet) -> dict[str, Any]:
    return {"name": drafts.name, "info": drafts.info, "counts": drafts.counts, "usable": drafts.counts.usable}


@click.command("review")
@click.argument("name")
@JSON
@pass_world
def review(world: World, name: str, as_data: bool) -> None:
    """Decide on drafts, one pair at a time.

    Keys: a accepts, e edits, r rejects, u undoes, q quits. Every decision is kept at once. `edgellm data build
    drafts:NAME` and `edgellm train run --data drafts:NAME` use what was accepted and edited.
    """
    from edgellm.cli.review import Review  # deferred: only this command needs it

    with world.open() as edge:
        drafts = edge.drafts.open(name)
        if as_data:
            world.out.json({**_described(drafts), "pairs": [_listed(pair) for pair in drafts.pairs]})
            return
        if not world.is_conversational:
            hint = f"List the pairs: edgellm data review {name} --json"
            raise InvalidInput("A review needs a terminal, for its keys.", hint=hint, field="json")
        with ending():  # whatever ends the review, the terminal gets its own mode back
            Review(world, edge, drafts).run()


def _listed(pair: Pair) -> dict[str, Any]:
    return {
        "id": pair.id,
        "status": pair.status,
        "question": pair.question,
        "answer": pair.answer,
        "check": pair.drafted.check,
        "model_says": pair.drafted.model_says,
        "refused": pair.drafted.refused,
        "title": pair.passage.title,
        "passage": pair.passage.text,
        "source": pair.passage.source,
    }
