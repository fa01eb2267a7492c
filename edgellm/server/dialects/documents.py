"""Bodies of /v1/documents, and what its answers look like; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import Field

from edgellm.errors import InvalidInput
from edgellm.events import JobEvent, Progressed
from edgellm.retrieval.values import CollectionInfo, Hit, IndexedFile
from edgellm.sdk.ingest_request import MOST_TAG, MOST_TAGS
from edgellm.server.bodies import ChatBody, MessageBody, Model, StreamOptions
from edgellm.server.dialects.fields import Body, Flag, Number, Whole
from edgellm.store import JobState, StoredJob

MOST_TEXT = 4_000_000
BROKEN = "It cannot be opened; the server's administrator sees why."
"""In place of an error's own words, which name folders of the server."""
Question = Annotated[str, Field(min_length=1, max_length=10_000)]
Names = Annotated[list[Annotated[str, Field(max_length=1024)]], Field(max_length=64)]
Tags = Annotated[list[Annotated[str, Field(min_length=1, max_length=MOST_TAG)]], Field(max_length=MOST_TAGS)]
Shown = Callable[[str], str]
"""A file's name as its client knows it."""


class SearchBody(Body):
    """POST /v1/documents/{collection}/search."""

    question: Question
    limit: Annotated[Whole, Field(ge=1, le=100)] = 8
    mode: Literal["reranked", "fused", "vector", "words"] | None = None
    files: Names | None = None
    kinds: Names | None = None
    tags: Names | None = None
    since: str | None = None
    until: str | None = None


class TextBody(Body):
    """POST /v1/documents/{collection}/texts: one document, written out."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    """What it is called: `opening-hours.md`. The ending says how it is read."""
    text: Annotated[str, Field(min_length=1, max_length=MOST_TEXT)]
    tags: Tags | None = None


class AskBody(Body):
    """POST /v1/documents/{collection}/ask: a chat of one question, answered from the collection."""

    question: Question
    model: Model | None = None
    max_tokens: Annotated[Whole, Field(ge=1, lt=2**31)] | None = None
    temperature: Annotated[Number, Field(ge=0, le=5)] | None = None
    top_p: Annotated[Number, Field(gt=0, le=1)] | None = None
    seed: Annotated[Whole, Field(ge=0, le=2**32 - 2)] | None = None
    stream: Flag | None = None
    stream_options: StreamOptions | None = None


def as_chat(body: AskBody, model: str, collection: str) -> ChatBody:
    """The question as a chat with the model `MODEL+COLLECTION`. `model`: where the body names none."""
    asked = ChatBody(
        model=body.model or model,
        messages=[MessageBody(role="user", content=body.question)],
        max_tokens=body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        seed=body.seed,
        stream=body.stream,
        stream_options=body.stream_options,
    )
    # Not checked again: names that are short enough may be too long together, which is a model that is not there.
    return asked.model_copy(update={"model": f"{asked.model}+{collection}"})


def checked_tags(given: list[str]) -> tuple[str, ...]:
    """Tags of a form: a field for each. Raises: InvalidInput."""
    for tag in given:
        if not tag.strip() or len(tag) > MOST_TAG or not tag.isprintable():
            raise InvalidInput(f"tags: {tag[:40]!r} has not 1 to {MOST_TAG} visible characters.", field="tags")
    if len(given) > MOST_TAGS:
        raise InvalidInput(f"tags: {len(given)} were sent; at most {MOST_TAGS} are kept.", field="tags")
    return tuple(given)


def collection_object(name: str, info: CollectionInfo) -> dict[str, Any]:
    """One entry of the list of collections."""
    said = {key: value for key, value in asdict(info).items() if key != "name"}
    return {"object": "collection", "id": name, **said, "reason": info.reason and BROKEN}


def file_object(file: IndexedFile, shown: Shown) -> dict[str, Any]:
    """One entry of the list of files."""
    return {"object": "file", **asdict(file), "name": shown(file.name)}


def hit_object(hit: Hit, shown: Shown) -> dict[str, Any]:
    """One passage that was found."""
    return {**asdict(hit), "file": shown(hit.file)}


def job_object(job: StoredJob, collection: str, shown: Shown, latest: JobEvent | None = None) -> dict[str, Any]:
    """What reads files into a collection, and how far it has come; `latest`: its newest event."""
    progress = {"done": latest.done, "total": latest.total} if isinstance(latest, Progressed) else None
    return {
        "object": "document.job",
        "id": job.id,
        "collection": collection,
        "status": job.state.value,
        "created_at": int(job.created_at),
        "finished_at": None if job.is_active else int(job.updated_at),
        "files": [shown(str(path)) for path in job.arguments.get("paths") or ()],
        "progress": progress if job.is_active else None,
        "result": _result(job, shown),
        "error": _error(job),
    }


COUNTS = ("added", "changed", "removed", "unchanged", "chunks", "seconds")


def _result(job: StoredJob, shown: Shown) -> dict[str, Any] | None:
    if job.result is None:
        return None
    failed = [{"file": shown(str(each["file"])), "reason": each["reason"]} for each in job.result.get("failed") or ()]
    return {**{name: job.result.get(name, 0) for name in COUNTS}, "failed": failed}


def _error(job: StoredJob) -> dict[str, str] | None:
    """Without the words of the error: they name folders of the server."""
    if job.state is not JobState.FAILED:
        return None
    return {"code": job.error or "JobError", "message": "The work broke off; the server's administrator sees why."}
