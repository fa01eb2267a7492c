"""Long work that a command waits for, or leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgellm.cli.diagnostics import Code, Stopped
from edgellm.cli.ids import short
from edgellm.cli.interrupt import ending
from edgellm.cli.style import bold, good
from edgellm.cli.world import World
from edgellm.errors import EdgeLLMError, JobError, error_types

if TYPE_CHECKING:
    from edgellm.events import Failed
    from edgellm.sdk.facade import EdgeLLM
    from edgellm.store.records import StoredJob


def leave(world: World, job: StoredJob, as_data: bool) -> int:
    """Say how to watch a job that goes on by itself."""
    if as_data:
        world.out.json(job)
    else:
        world.out.line(good("started"), "  ", bold(short(job)), "  ", job.title)
        world.err.note(_how_to_watch(job))
    return Code.DONE


def _how_to_watch(job: StoredJob) -> str:
    return f"Watch it: edgellm jobs follow {short(job)}. Stop it: edgellm jobs cancel {short(job)}"


def wait_for(world: World, edge: EdgeLLM, job: StoredJob) -> dict[str, Any]:
    """The job's result, its progress drawn meanwhile. Raises: what the job failed of.

    Ctrl+C cancels the job. When the command is ended from outside, or its terminal closed, the job goes on.
    """
    from edgellm.cli.progress import ProgressLine
    from edgellm.events import Cancelled, Failed, Finished

    draw = ProgressLine(world.err)
    try:
        with ending():
            for event in edge.jobs.follow(job.id):
                draw(event)
                if isinstance(event, Finished):
                    return event.result
                if isinstance(event, Failed):
                    raise _error(event, job)
                if isinstance(event, Cancelled):
                    break
    except KeyboardInterrupt:
        edge.jobs.cancel(job.id)
        world.err.note(f"The job {short(job)} was cancelled. {how_to_resume(job)}")
        raise
    except Stopped:
        world.err.note(f"The job {short(job)} goes on. {_how_to_watch(job)}")
        raise
    raise JobError(f"The job {short(job)} was cancelled.", hint=how_to_resume(job))


def _error(event: Failed, job: StoredJob) -> EdgeLLMError:
    kind = error_types().get(event.error, EdgeLLMError)
    return kind(event.message, hint=how_to_resume(job) if kind is JobError else "")


def how_to_resume(job: StoredJob) -> str:
    """For a job whose process ended, or that somebody cancelled: what it has kept is used."""
    return f"Resume it: edgellm jobs resume {short(job)}"
