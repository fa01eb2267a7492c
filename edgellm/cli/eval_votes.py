"""`edgellm eval rate`, `votes` and `export`: people who judge answers without knowing whose they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgellm.cli.eval_show import JSON, find_run
from edgellm.cli.interrupt import ending
from edgellm.cli.names import MODEL
from edgellm.cli.style import bad, bold, dim, good
from edgellm.cli.table import Column
from edgellm.cli.world import World, pass_world
from edgellm.errors import InvalidInput

if TYPE_CHECKING:
    from edgellm.evals.preference import People, Preferred
    from edgellm.sdk.blind import Blind

CHOICES = ("left", "right", "tie", "both bad")


@click.command("rate")
@click.argument("run_id", metavar="ID")
@click.option("--subject", type=MODEL, metavar="NAME", help="One of the run's models; default: the one it judged.")
@click.option("--baseline", type=MODEL, metavar="NAME", help="The other; default: its first baseline.")
@click.option("--by", "judge", metavar="NAME", help="Who judges; default: the account's name.")
@click.option("--vote", nargs=2, metavar="PAIR CHOICE", help="Keep one vote: left, right, tie or 'both bad'.")
@click.option(
    "--note", "notes", nargs=2, multiple=True, metavar="RUBRIC TEXT", help="A note with the vote; may be repeated."
)
@click.option("--json", "as_data", is_flag=True, help="Print the next pair as JSON, and ask nothing.")
@pass_world
def rate(world: World, /, run_id: str, vote: Any, notes: Any, as_data: bool, **said: Any) -> None:
    """Judge the answers of an evaluation without knowing whose they are.

    Two answers at a time, in an order drawn for each pair; every vote is kept at once. `edgellm eval votes` shows what
    came out. Programs use --json, which prints the next pair, and --vote.
    """
    with world.open() as edge, ending():
        blind = edge.evals.blind(find_run(edge, run_id).id, **said)
        if vote is not None:
            kept = blind.vote(vote[0], vote[1], dict(notes))
            world.out.json(_without_names(kept)) if as_data else world.out.line(good("kept"), "  ", kept.choice)
        elif as_data:
            world.out.json(blind.next())
        else:
            _ask(world, blind, run_id)


def _without_names(vote: Any) -> dict[str, Any]:
    """Whoever votes is not told whose answers they were."""
    return {"pair": vote.pair, "choice": vote.choice, "judge": vote.judge, "notes": dict(vote.notes)}


def _ask(world: World, blind: Blind, run_id: str) -> None:
    from edgellm.cli.rating import Rating

    if not world.stdin.isatty():
        hint = "Run it in a terminal; programs use --json and --vote."
        raise InvalidInput("Judging reads single keys, and standard input is no terminal.", hint=hint)
    world.err.note(f"You judge as {blind.judge}.")
    Rating(world, blind).run()
    world.out.line()
    if blind.next() is None:
        world.err.note("Every pair is judged.")
    world.err.note(f"What came out: edgellm eval votes {run_id}")


@click.command("votes")
@click.argument("run_id", metavar="ID")
@JSON
@pass_world
def votes(world: World, run_id: str, as_data: bool) -> None:
    """Show what people preferred in an evaluation: win rates, Elo, agreement, notes."""
    with world.open() as edge:
        found = edge.evals.people(find_run(edge, run_id).id)
    if as_data:
        world.out.json(found)
    elif not found.votes:
        world.err.note(f"Nobody has voted; `edgellm eval rate {run_id}` asks you.")
    else:
        _show(world, found)


def _show(world: World, people: People) -> None:
    from edgellm.evals.report import wording

    for each in people.preferred:
        head = (bold(each.subject), f" over {each.baseline}  ", wording.win_rate(each), "  ")
        world.out.line(_word(each), "  ", *head, dim(wording.vote_counts(each)))
    if people.ratings:
        header = [Column("SUBJECT", flexible=True), Column("ELO (95 %)"), Column("PAIRS", right=True)]
        rows = [(bold(each.subject), wording.elo(each), f"{each.matches}") for each in people.ratings]
        world.out.table(header, rows)
    for agreed in people.agreements:
        world.out.line("agreement of ", bold(" and ".join(agreed.judges)), "  ", wording.agreement(agreed))
    for note in people.notes:
        world.out.line(dim(wording.note_head(note)))
        world.out.hanging(("  ",), note.text)


def _word(found: Preferred) -> Any:
    if found.word == "better":
        return good(found.word)
    return bad(found.word) if found.word == "worse" else dim(found.word)


@click.command("export")
@click.argument("run_id", metavar="ID")
@click.option("--form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True, help="Which form.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write it there.")
@click.option("--json", "as_data", is_flag=True, help="Print JSON: the votes, or with a file where they are.")
@pass_world
def export(world: World, run_id: str, form: str, out: Path | None, as_data: bool) -> None:
    """Print the votes of an evaluation with questions, answers and names, one a line."""
    import json

    from edgellm.paths import write_private

    with world.open() as edge:
        text = edge.evals.export(find_run(edge, run_id).id, "jsonl" if as_data and out is None else form)
    if out is None:
        world.out.json([json.loads(line) for line in text.splitlines()]) if as_data else world.out.text(text)
        return
    write_private(out.absolute(), text.encode())
    if as_data:
        world.out.json({"path": str(out.absolute()), "form": form})
    else:
        world.out.line(str(out.absolute()))
