"""The process of one job: python -m edgellm.sdk.job_runner JOB DATA CACHE CONFIG."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from edgellm.errors import EdgeLLMError, InvalidInput
from edgellm.events import Cancelled, Failed, Finished, JobEvent, Progressed, Started
from edgellm.paths import Home
from edgellm.sdk.job_log import JobLog
from edgellm.sdk.work import CancelRequested, Work
from edgellm.store import JobState, Store, StoredJob, open_store


def pull(work: Work) -> dict[str, Any]:
    """Fetch a model. Arguments: `reference`, `offline`, `endpoint`. The token comes from HF_TOKEN."""
    from edgellm.hub.download import pull as fetch  # deferred: huggingface-hub is slow to import
    from edgellm.sdk.inspections import library_in

    def pass_on(event: JobEvent) -> None:
        if isinstance(event, Started | Progressed):
            work.emit(event)

    model = fetch(
        _text(work, "reference"),
        library_in(work.home),
        offline=bool(work.arguments.get("offline", False)),
        endpoint=work.arguments.get("endpoint"),
        token=os.environ.get("HF_TOKEN"),
        on_event=pass_on,
    )
    return {"name": model.name, "path": str(model.path), "size_bytes": model.size_bytes}


def export(work: Work) -> dict[str, Any]:
    """Make GGUF files of a model. Arguments: the fields of `sdk.exports.ExportRequest`."""
    from edgellm.sdk.exports import export_job
    from edgellm.sdk.inspections import library_in

    return export_job(work.home, library_in(work.home), work.arguments, work.emit)


def quants(work: Work) -> dict[str, Any]:
    """Measure quantizations of a model. Arguments: the fields of `sdk.exports.ExportRequest`, and `suite`."""
    from edgellm.sdk.inspections import library_in
    from edgellm.sdk.quants import quants_job

    return quants_job(work, library_in(work.home))


def convert(work: Work) -> dict[str, Any]:
    """Take a safetensors folder into the library. Arguments: those of `sdk.conversion.Conversion`."""
    from edgellm.sdk.conversion import convert_job
    from edgellm.sdk.inspections import library_in

    return convert_job(library_in(work.home), work.arguments, work.emit)


def train(work: Work) -> dict[str, Any]:
    """Make an adapter. Arguments: those of `TrainRequest`."""
    from edgellm.sdk.train_job import train as teach  # deferred: only this kind needs it

    return teach(work.home, work.arguments, work.folder, work.emit)


def plan(work: Work) -> dict[str, Any]:
    """Say what a training run would take. Arguments: those of `TrainRequest`."""
    from edgellm.sdk.train_job import plan as plan_run  # deferred: only this kind needs it

    return plan_run(work.home, work.arguments, work.folder, work.emit)


def pretrain(work: Work) -> dict[str, Any]:
    """Make a model from nothing. Arguments: those of `PretrainRequest`."""
    from edgellm.sdk.pretrain_job import pretrain as make  # deferred: only this kind needs it

    return make(work.home, work.arguments, work.folder, work.emit)


def draft(work: Work) -> dict[str, Any]:
    """Write question and answer pairs from documents. Arguments: those of `DraftRequest`."""
    from edgellm.sdk.draft_job import draft as write  # deferred: only this kind needs it

    return write(work)


def ingest(work: Work) -> dict[str, Any]:
    """Read documents into a collection. Arguments: those of `IngestRequest`."""
    from edgellm.sdk.ingest_job import ingest as read  # deferred: only this kind needs it

    return read(work)


def reindex(work: Work) -> dict[str, Any]:
    """Embed a collection again. Arguments: those of `ReindexRequest`."""
    from edgellm.sdk.ingest_job import reindex as embed  # deferred: only this kind needs it

    return embed(work)


def evaluate(work: Work) -> dict[str, Any]:
    """Ask suites of models and compare them. Arguments: those of `EvalRequest`."""
    from edgellm.sdk.eval_job import evaluate as judge  # deferred: only this kind needs it

    return judge(work)


def improve(work: Work) -> dict[str, Any]:
    """Make the next version of an alias from its users' feedback. Arguments: those of `ImproveRequest`."""
    from edgellm.sdk.improve_job import improve as go_round  # deferred: only this kind needs it

    return go_round(work)


def selftest(work: Work) -> dict[str, Any]:
    """Count, to see that jobs work here. Arguments: `steps`, `step_s`."""
    steps, step_s = int(work.arguments.get("steps", 3)), float(work.arguments.get("step_s", 0.1))
    work.emit(Started(title="Counting", total=steps, unit="steps"))
    for step in range(1, steps + 1):
        time.sleep(step_s)
        work.emit(Progressed(done=step, total=steps, left_s=(steps - step) * step_s))
    return {"steps": steps}


KINDS: Mapping[str, Callable[[Work], dict[str, Any]]] = {
    "pull": pull,
    "convert": convert,
    "train": train,
    "plan": plan,
    "pretrain": pretrain,
    "draft": draft,
    "ingest": ingest,
    "reindex": reindex,
    "evaluate": evaluate,
    "improve": improve,
    "selftest": selftest,
    "export": export,
    "quants": quants,
}
"""What a job can be; the function's value is the job's result."""


def runner_arguments(home: Home, job_id: str) -> list[str]:
    """The command line that `main` takes."""
    return [job_id, str(home.data), str(home.cache), str(home.config)]


def main(arguments: list[str]) -> int:
    """Do one queued job. Exit code 0 unless it failed."""
    job_id, data, cache, config = arguments
    home = Home(data=Path(data), cache=Path(cache), config=Path(config))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _request_cancel)
    with open_store(home.store) as store:
        store.jobs.set_process(job_id, os.getpid(), psutil.Process().create_time())
        if not store.jobs.begin(job_id):
            return 0  # cancelled before it began, or another runner has it
        return run(store.jobs.get(job_id), home, store)


def run(job: StoredJob, home: Home, store: Store) -> int:
    """Do the work and note how it ended: first in the store, then as the final event."""
    log = JobLog(home, job.id)
    final: Finished | Failed | Cancelled
    try:
        final = Finished(result=KINDS[job.kind](Work(home, log.folder, job.arguments, log.write)))
    except CancelRequested:
        final = Cancelled()
    except EdgeLLMError as error:
        final = Failed(error=type(error).__name__, message=str(error))
    except Exception as error:  # the face of this process: whatever it is, the user must hear of it
        traceback.print_exc()
        final = Failed(error=type(error).__name__, message=f"Unexpected: {error}")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the outcome is decided
    if _note_end(store, job.id, final):
        log.write(final)
    return 1 if isinstance(final, Failed) else 0


def _note_end(store: Store, job_id: str, final: Finished | Failed | Cancelled) -> bool:
    match final:
        case Finished(result=result):
            return store.jobs.end(job_id, JobState.FINISHED, result=result)
        case Failed(error=error, message=message):
            return store.jobs.end(job_id, JobState.FAILED, error=error, message=message)
        case Cancelled():
            return store.jobs.end(job_id, JobState.CANCELLED)


def _text(work: Work, name: str) -> str:
    value = work.arguments.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"Argument {name!r} of this job must be a text, not {value!r}.", field=name)
    return value


def _request_cancel(_number: int, _frame: FrameType | None) -> None:
    raise CancelRequested


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
