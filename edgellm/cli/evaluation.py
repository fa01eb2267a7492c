"""`edgellm eval`: suites asked of models, compared and reported."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgellm.cli import eval_show, eval_votes
from edgellm.cli.diagnostics import Code
from edgellm.cli.eval_show import JSON, find_run
from edgellm.cli.ids import short
from edgellm.cli.lazy import OrderedGroup
from edgellm.cli.names import MODEL
from edgellm.cli.style import bold, dim, good
from edgellm.cli.table import Column
from edgellm.cli.units import moment
from edgellm.cli.waiting import leave, wait_for
from edgellm.cli.world import World, pass_world

if TYPE_CHECKING:
    from edgellm.evals.run import Run

SUBJECT = "MODEL[@ADAPTER][+COLLECTION]"
FOLDER = click.option(
    "--suites",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("evals"),
    show_default=True,
    metavar="FOLDER",
    help="Where the project keeps its suites.",
)


@click.group("eval", cls=OrderedGroup)
def evaluation() -> None:
    """Measure models on your own questions, and whether a change made them better.

    A suite is a file of questions and how their answers are scored. Every score comes with its 95 % interval, every
    comparison with a paired test.
    """


@evaluation.command("run")
@click.argument("suites", nargs=-1, required=True, metavar="SUITE...")
@click.option(
    "--on", required=True, type=MODEL, metavar=SUBJECT, help="What is judged; or an alias, or a server's address."
)
@click.option("--against", multiple=True, type=MODEL, metavar=SUBJECT, help="A baseline; may be repeated.")
@click.option("--judge", type=MODEL, metavar="MODEL", help="The model that judges where a suite asks for it.")
@FOLDER
@click.option("--detach", is_flag=True, help="Leave it to a job, which goes on without this command.")
@JSON
@pass_world
def run(world: World, /, suites: tuple[str, ...], detach: bool, as_data: bool, **said: Any) -> int:
    """Ask suites of a model, and compare it with baselines.

    SUITE is a file, or a name that `edgellm eval suites` shows. The same prompts and seeds go to all. What was asked
    before is not asked again: Ctrl+C stops, and the same command goes on.
    """
    with world.open() as edge:
        job = edge.evals.run(suites, **said)
        if detach:
            return leave(world, job, as_data)
        result = wait_for(world, edge, job)
        world.err.clear_status()
        if as_data:
            world.out.json(result)
        else:
            eval_show.show_run(world, edge.evals.get(job.id))
            world.err.note(f"The answers side by side: {result['report']}")
    return Code.DONE


@evaluation.command("list")
@JSON
@pass_world
def list_runs(world: World, as_data: bool) -> None:
    """List evaluations that have finished, newest first."""
    with world.open() as edge:
        found = edge.evals.list()
    if as_data:
        world.out.json([eval_show.in_short(each) for each in found])
    elif not found:
        world.err.note("No evaluation yet; `edgellm eval run SUITE --on MODEL` makes one.")
    else:
        now = time.time()
        header = [Column("ID"), Column("AT"), Column("OF"), Column("AGAINST"), Column("SUITES", flexible=True)]
        world.out.table(header, [_row(each, now) for each in found])


def _row(found: Run, now: float) -> tuple[Any, ...]:
    names = [each.name for each in found.subjects]
    at = moment(datetime.fromisoformat(found.created).timestamp(), now)
    suites = ", ".join(each.name for each in found.suites)
    return (short(found), dim(at), bold(names[0]), ", ".join(names[1:]), suites)


@evaluation.command("show")
@click.argument("run_id", metavar="ID")
@JSON
@pass_world
def show(world: World, run_id: str, as_data: bool) -> None:
    """Show the scores of an evaluation."""
    with world.open() as edge:
        found = find_run(edge, run_id)
    if as_data:
        world.out.json(found)
    else:
        eval_show.show_run(world, found)


@evaluation.command("report")
@click.argument("run_id", metavar="ID")
@click.option(
    "--form", type=click.Choice(["html", "markdown"]), default="html", show_default=True, help="Which form of it."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write a copy there.")
@JSON
@pass_world
def report(world: World, run_id: str, form: str, out: Path | None, as_data: bool) -> None:
    """Say where the report of an evaluation is: one file with plots and the worst answers."""
    from edgellm.paths import write_private

    with world.open() as edge:
        path = edge.evals.report(find_run(edge, run_id).id, form)
    if out is not None:
        write_private(out.absolute(), path.read_bytes())
        path = out.absolute()
    if as_data:
        world.out.json({"path": str(path), "form": form})
    else:
        world.out.line(str(path))


@evaluation.command("suites")
@FOLDER
@JSON
@pass_world
def suites(world: World, folder: Path, as_data: bool) -> None:
    """List the suites of the project and those that come with EdgeLLM."""
    with world.open() as edge:
        found = edge.evals.suites(folder)
    if as_data:
        world.out.json([eval_show.suite_in_short(each) for each in found])
        return
    header = [Column("SUITE"), Column("CASES", right=True), Column("SCORES"), Column("WHAT IT ASKS", flexible=True)]
    rows = [
        (
            bold(each.name),
            f"{len(each.cases)}",
            ", ".join(sorted({case.score for case in each.cases})),
            dim(" ".join(each.description.split())),
        )
        for each in found
    ]
    world.out.table(header, rows)


@evaluation.command("lm-eval")
@click.argument("tasks", nargs=-1, required=True, metavar="TASK...")
@click.option("--on", required=True, type=MODEL, metavar="MODEL[@ADAPTER]", help="The model that is measured.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Ask N questions of each task.")
@click.option(
    "--include", type=click.Path(path_type=Path), metavar="FOLDER", help="A folder with tasks of your own, in YAML."
)
@JSON
@pass_world
def lm_eval(world: World, /, tasks: tuple[str, ...], as_data: bool, **said: Any) -> None:
    """Run tasks of the installed lm-evaluation-harness.

    A server is started for it on a free port of this machine, and ended after it. Most tasks fetch their questions
    from the network.
    """
    with world.open() as edge:
        found = edge.evals.harness(tasks, **said, on_line=lambda line: world.err.status(line[:200]))
    world.err.clear_status()
    if as_data:
        world.out.json(found)
        return
    for task, metrics in found.get("results", {}).items():
        world.out.line(good("measured"), "  ", bold(str(task)))
        world.out.facts((f"  {name}", str(value)) for name, value in metrics.items() if name != "alias")


for command in (eval_votes.rate, eval_votes.votes, eval_votes.export):
    evaluation.add_command(command)
