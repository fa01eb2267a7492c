"""`edgellm improve`: the loop from feedback to the next version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgellm.cli import improve_show
from edgellm.cli.diagnostics import Code
from edgellm.cli.evaluation import FOLDER
from edgellm.cli.ids import by_beginning
from edgellm.cli.jobs import find_job
from edgellm.cli.lazy import OrderedGroup
from edgellm.cli.named import NAMED
from edgellm.cli.names import COLLECTION_NAME, MODEL
from edgellm.cli.promotion import POLICY
from edgellm.cli.style import bold, good
from edgellm.cli.waiting import leave, wait_for
from edgellm.cli.world import World, pass_world
from edgellm.errors import NotFound

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM
    from edgellm.sdk.improve_run import ImproveRun

JSON = click.option("--json", "as_data", is_flag=True, help="Print JSON.")
DETACH = click.option("--detach", is_flag=True, help="Leave it to a job, which goes on without this command.")


class RunByDefault(OrderedGroup):
    """`improve ALIAS` is short for `improve run ALIAS`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `run` before what is no command of the group."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group("improve", cls=RunByDefault)
def improve() -> None:
    """Make the next version of an alias from its users' feedback, prove it, propose it.

    `edgellm improve ALIAS` is short for `edgellm improve run ALIAS`.
    """


@improve.command("run")
@click.argument("alias", type=NAMED)
@click.option("--dry-run", is_flag=True, help="Only say what would be done, and what speaks against it.")
@click.option("--tenant", default="", metavar="TENANT", help="Whose lessons are learnt; default: this machine's own.")
@click.option("--docs", "collections", multiple=True, type=COLLECTION_NAME, metavar="NAME", help="Sync a collection.")
@click.option("--suite", "suites", multiple=True, metavar="SUITE", help="Ask a suite beside those of the policy.")
@click.option("--judge", type=MODEL, metavar="MODEL", help="Who judges the corrected questions; default: their words.")
@click.option(
    "--replay", type=float, default=1.0, show_default=True, metavar="X", help="Share of earlier rows learnt again."
)
@click.option(
    "--objective",
    type=click.Choice(["sft", "dpo", "orpo", "kto"]),
    default="sft",
    show_default=True,
    help="Imitate answers, or learn from pairs (dpo, orpo) or from thumbs (kto).",
)
@click.option("--preset", metavar="NAME", help="Effort of the training: quick, balanced or best.")
@click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help="A training setting; see docs/train.md.")
@click.option("--promote", "promotes", is_flag=True, help="Let it go live when it passes the gate, without asking.")
@click.option("--on-mains", is_flag=True, help="Do nothing while the machine is on battery.")
@click.option("--when-idle", is_flag=True, help="Do nothing while the machine is at work.")
@POLICY
@FOLDER
@click.option("--yes", is_flag=True, help="Begin without asking.")
@DETACH
@JSON
@pass_world
def run(world: World, /, alias: str, dry_run: bool, detach: bool, as_data: bool, **said: Any) -> int:
    """Collect what was accepted in the queue, teach, ask, let the gate decide, propose.

    The plan is shown first. Exit code 1: there was nothing to do, or the gate does not let the candidate go live.
    """
    from edgellm.sdk.schedule import why_not_now  # deferred: only this command needs it

    why_not = why_not_now(on_mains=said.pop("on_mains"), when_idle=said.pop("when_idle"))
    if why_not and not dry_run:
        world.err.note(f"Not now: {why_not}.")
        return Code.ANSWER_IS_NO
    is_agreed = said.pop("yes") or detach
    options = _options(said)
    with world.open() as edge:
        plan = edge.improve.plan(alias, **options)
        if dry_run or plan.refusals:
            improve_show.show_plan(world, plan, as_data=as_data)
            return Code.ANSWER_IS_NO if plan.refusals else Code.DONE
        if not as_data:
            improve_show.show_plan(world, plan, as_data=False)
        if world.is_conversational and not as_data and not world.confirms("Begin?", is_agreed=is_agreed):
            return Code.DONE
        job = edge.improve.begin(alias, **options)
        return leave(world, job, as_data) if detach else _finish(world, edge, job.id, as_data)


@improve.command("resume")
@click.argument("run_id", metavar="RUN")
@DETACH
@JSON
@pass_world
def resume(world: World, run_id: str, detach: bool, as_data: bool) -> int:
    """Go on with a run that broke off or was stopped, at the stage it was in."""
    with world.open() as edge:
        job = edge.improve.resume(find_job(edge, run_id).id)
        return leave(world, job, as_data) if detach else _finish(world, edge, job.id, as_data)


@improve.command("show")
@click.argument("run_id", metavar="RUN")
@JSON
@pass_world
def show(world: World, run_id: str, as_data: bool) -> None:
    """Show a run: its stages, its scores, and what was answered before and after."""
    with world.open() as edge:
        found = _find(edge, run_id)
        evidence = edge.improve.evidence(found.id) if found.evaluation else []
        job = edge.jobs.get(found.id)
    improve_show.show_run(world, found, evidence, state=str(job.state), as_data=as_data)


@improve.command("history")
@click.argument("alias", type=NAMED)
@JSON
@pass_world
def history(world: World, alias: str, as_data: bool) -> None:
    """List the versions of an alias with their scores, newest first."""
    with world.open() as edge:
        found = edge.improve.history(alias)
    improve_show.show_history(world, found, as_data=as_data)


@improve.command("promote")
@click.argument("run_id", metavar="RUN")
@JSON
@pass_world
def promote(world: World, run_id: str, as_data: bool) -> None:
    """Let the alias stand for what a run proposes; `edgellm rollback` goes back."""
    with world.open() as edge:
        moved = edge.improve.promote(_find(edge, run_id).id)
    if as_data:
        world.out.json(moved)
    else:
        before = "" if moved.before is None else f", which was {moved.before}"
        world.out.line(good("live"), "  ", bold(moved.alias), f"  is {moved.target}{before}")


@improve.command("schedule")
@click.argument("alias", type=NAMED)
@click.option("--weekly", "every", flag_value="week", default="week", help="On Sundays (default).")
@click.option("--daily", "every", flag_value="day", help="Each night.")
@click.option("--on-mains", is_flag=True, help="Not while the machine is on battery.")
@click.option("--when-idle", is_flag=True, help="Not while the machine is at work.")
@click.option("--tenant", default="", metavar="TENANT", help="Whose lessons are learnt; default: this machine's own.")
@click.option("--docs", "collections", multiple=True, type=COLLECTION_NAME, metavar="NAME", help="Sync a collection.")
@click.option("--judge", type=MODEL, metavar="MODEL", help="Who judges the corrected questions; default: their words.")
@POLICY
@click.option(
    "--suites", type=click.Path(path_type=Path), metavar="FOLDER", help="Where the suites are that the policy names."
)
@click.option("--remove", is_flag=True, help="Remove the files again.")
@click.option(
    "--folder", type=click.Path(path_type=Path), metavar="FOLDER", help="Where the files go; default: the user's own."
)
@JSON
@pass_world
def schedule(world: World, /, alias: str, remove: bool, folder: Path | None, as_data: bool, **said: Any) -> None:
    """Write files for the system's own timer: systemd on Linux, launchd on macOS.

    They begin nothing by themselves; the command that enables them is printed. Candidates are proposed, not promoted.
    """
    from edgellm.sdk.schedule import Schedule  # deferred: only this command needs it

    with world.open() as edge:
        if remove:
            done = edge.improve.unschedule(alias, folder)
        else:
            done = edge.improve.schedule(alias, Schedule(**said), folder)
    if as_data:
        world.out.json(done)
        return
    for path in done.paths:
        world.out.line(good("removed" if remove else "written"), "  ", path)
    world.out.line("Disable it:  " if remove else "Enable it:  ", bold(done.command))


def _finish(world: World, edge: EdgeLLM, run_id: str, as_data: bool) -> int:
    wait_for(world, edge, edge.jobs.get(run_id))
    world.err.clear_status()
    found = edge.improve.get(run_id)
    improve_show.show_run(world, found, edge.improve.evidence(run_id), state="finished", as_data=as_data)
    return Code.DONE if found.passed else Code.ANSWER_IS_NO


def _find(edge: EdgeLLM, wanted: str) -> ImproveRun:
    """The run with this id, or the only one whose id begins so. Raises: NotFound, InvalidInput."""
    found = by_beginning(wanted, edge.improve.list())
    if found is None:
        raise NotFound(f"No run has the id {wanted!r}.", hint="`edgellm improve history ALIAS` shows them.")
    return found


def _options(said: dict[str, Any]) -> Any:
    """The command's options as the SDK takes them."""
    from edgellm.train.settings import from_text  # deferred: only this command needs it

    settings = dict(map(from_text, said.pop("sets")))
    preset = said.pop("preset")
    return {**said, "settings": settings if preset is None else {"preset": preset, **settings}}
