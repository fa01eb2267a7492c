"""`edgellm jobs`: long work, wherever it was started."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from edgellm.cli.diagnostics import Code
from edgellm.cli.ids import by_beginning, short
from edgellm.cli.lazy import OrderedGroup
from edgellm.cli.style import Part, bad, bold, dim, good, warn
from edgellm.cli.table import Column
from edgellm.cli.units import moment
from edgellm.cli.world import World, pass_world
from edgellm.errors import NotFound

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM
    from edgellm.store.records import StoredJob

JSON = click.option("--json", "as_data", is_flag=True, help="Print JSON.")
SCANNED = 1000
"""Jobs, newest first, among which the beginning of an id is looked for."""
ROLES = {"running": bold, "finished": good, "failed": bad, "cancelled": warn}


@click.group("jobs", cls=OrderedGroup)
def jobs() -> None:
    """List, follow and cancel long work."""


@jobs.command("list")
@JSON
@pass_world
def list_jobs(world: World, as_data: bool) -> None:
    """List jobs, newest first."""
    with world.open() as edge:
        found = edge.jobs.list()
    if as_data:
        world.out.json(found)
    elif found:
        now = time.time()
        header = [Column("ID"), Column("STATE"), Column("KIND"), Column("BEGUN"), Column("TITLE", flexible=True)]
        world.out.table(
            header, [(short(job), _state(job), job.kind, dim(moment(job.created_at, now)), job.title) for job in found]
        )
    else:
        world.err.note("No jobs.")


@jobs.command("show")
@click.argument("job_id", metavar="ID")
@JSON
@pass_world
def show(world: World, job_id: str, as_data: bool) -> None:
    """Show what a job is doing or how it ended."""
    with world.open() as edge:
        job = find_job(edge, job_id)
    if as_data:
        world.out.json(job)
        return
    now = time.time()
    facts: list[tuple[str, Part]] = [
        ("title", job.title),
        ("id", job.id),
        ("kind", job.kind),
        ("state", _state(job)),
        ("begun", moment(job.created_at, now)),
        ("changed", moment(job.updated_at, now)),
        ("error", job.message or ""),
    ]
    facts += [(name, str(value)) for name, value in (job.result or {}).items()]
    world.out.facts(facts)


@jobs.command("follow")
@click.argument("job_id", metavar="ID")
@click.option("--json", "as_data", is_flag=True, help="Print each event as a line of JSON.")
@pass_world
def follow(world: World, job_id: str, as_data: bool) -> int:
    """Watch a job until it ends; Ctrl+C stops watching, not the job."""
    from edgellm.cli.progress import ProgressLine
    from edgellm.events import Cancelled, Failed, Finished, encode

    draw = ProgressLine(world.err)
    with world.open() as edge:
        for event in edge.jobs.follow(find_job(edge, job_id).id):
            if as_data:
                world.out.write(encode(event).decode())
            else:
                draw(event)
            if isinstance(event, Failed):
                world.err.line(bad("failed: "), event.message)
                return Code.JOB
            if isinstance(event, Cancelled):
                world.err.note("cancelled")
                return Code.JOB
            if isinstance(event, Finished):
                world.err.note("finished")
    return Code.DONE


@jobs.command("cancel")
@click.argument("job_id", metavar="ID")
@JSON
@pass_world
def cancel(world: World, job_id: str, as_data: bool) -> None:
    """Stop a job; it can be resumed."""
    with world.open() as edge:
        job = edge.jobs.cancel(find_job(edge, job_id).id)
    _tell(world, job, as_data)


@jobs.command("resume")
@click.argument("job_id", metavar="ID")
@JSON
@pass_world
def resume(world: World, job_id: str, as_data: bool) -> None:
    """Start a failed or cancelled job again, from where it was."""
    with world.open() as edge:
        job = edge.jobs.resume(find_job(edge, job_id).id)
    _tell(world, job, as_data)


def _tell(world: World, job: StoredJob, as_data: bool) -> None:
    if as_data:
        world.out.json(job)
    else:
        world.err.note(f"{short(job)} is {job.state}")


def find_job(edge: EdgeLLM, wanted: str) -> StoredJob:
    """The job with this id, or the only one whose id begins so. Raises: NotFound, InvalidInput."""
    found = by_beginning(wanted, edge.jobs.list(limit=SCANNED))
    if found is None:
        raise NotFound(f"No job has the id {wanted!r}.", hint="`edgellm jobs list` shows them.")
    return found


def _state(job: StoredJob) -> Part:
    state = str(job.state)
    return ROLES[state](state) if state in ROLES else state
