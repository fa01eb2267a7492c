"""Long work that a command waits for, or leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgellm.cli.diagnostics import Code
from edgellm.cli.ids import short
from edgellm.cli.style import bold, good
from edgellm.cli.world import World
from edgellm.errors import EdgeLLMError, JobError, error_types

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM
    from edgellm.store.records import StoredJob


def leave(world: World, job: StoredJob, as_data: bool) -> int:
    """Say how to watch a job that goes on by itself."""
    if as_data:
        world.out.json(job)
    else:
        world.out.line(good("started"), "  ", bold(short(job)), "  ", job.title)
        world.err.note(f"Watch it: edgellm jobs follow {short(job)}. Stop it: edgellm jobs cancel {short(job)}")
    return Code.DONE


def wait_for(world: World, edge: EdgeLLM, job: StoredJob) -> dict[str, Any]:
    """The job's result, its progress drawn meanwhile; Ctrl+C cancels it. Raises: what the job failed of."""
    from edgellm.cli.progress import ProgressLine
    from edgellm.events import Cancelled, Failed, Finished

    draw = ProgressLine(world.err)
    try:
        for event in edge.jobs.follow(job.id):
            draw(event)
            if isinstance(event, Finished):
                return event.result
            if isinstance(event, Failed):
                raise error_types().get(event.error, EdgeLLMError)(event.message)
            if isinstance(event, Cancelled):
                break
    except KeyboardInterrupt:
        edge.jobs.cancel(job.id)
        raise
    raise JobError(f"The job {short(job)} was cancelled.", hint=f"Resume it: edgellm jobs resume {short(job)}")
