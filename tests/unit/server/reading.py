"""Jobs that read documents, done at once and in the test's own process."""

from __future__ import annotations

from pathlib import Path

from edgellm.retrieval.ingest.ingest import Ingest
from edgellm.retrieval.shelf import CollectionShelf
from edgellm.sdk.ingest_job import summary
from edgellm.sdk.jobs import Jobs
from edgellm.store import JobState
from tests.unit.retrieval.fakes import WordEmbedder, parse

WAITING: set[str] = set()
"""Collections, without their owners, whose jobs are not done but wait."""


def read_here(jobs: Jobs, job_id: str) -> None:
    """In place of `Jobs._launch`: the job's work, with an embedder that needs no model."""
    table = jobs._store().jobs
    job = table.get(job_id)
    name = job.arguments["collection"]
    if name.partition(".")[0] in WAITING:
        return
    with CollectionShelf(jobs._home).open_or_create(name, lambda: WordEmbedder.identity) as collection:
        ingest = Ingest(collection, WordEmbedder, lambda _event: None, parse)
        found = ingest.run([Path(path) for path in job.arguments["paths"]], tags=tuple(job.arguments["tags"]))
    table.end(job_id, JobState.FINISHED, result=summary(name, found))
