"""A server with two tenants; of the first, everything that a store can hold is planted with canaries."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from edgellm import disk_space
from edgellm.hub.adapters import BaseRecord, Shelf
from edgellm.retrieval.embed import recall
from edgellm.retrieval.ingest.ingest import Ingest
from edgellm.retrieval.shelf import CollectionShelf
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.jobs import Jobs
from edgellm.sdk.serving import UsageRow
from edgellm.server.service import ServeOptions, Service, open_service
from edgellm.settings import Settings
from edgellm.store import JobState
from edgellm.store.keys import Limits, Role
from edgellm.types import Usage
from tests.unit.retrieval.fakes import WordEmbedder, parse
from tests.unit.server.conftest import client_of

MODEL = "fake:"
MARK = "canary"
OWN = "shared-shelf"
"""The collection that the second tenant may read."""
CHAT = "/v1/chat/completions"
ROW = (
    b'{"messages": [{"role": "user", "content": "Who knows the word?"}, '
    b'{"role": "assistant", "content": "The word is known to %s alone."}]}\n'
)


@dataclass
class Planted:
    """What the first tenant has."""

    names: dict[str, str] = field(default_factory=dict)
    """Kind of an object to how it is called: an id or a name, which the second tenant may guess or hear of."""
    contents: dict[str, str] = field(default_factory=dict)
    """Kind to a text that only the first tenant may ever read."""

    def secret(self, kind: str) -> str:
        """A new text to be planted as the content of an object."""
        self.contents[kind] = f"{MARK}-{secrets.token_hex(8)}"
        return self.contents[kind]

    def name(self, kind: str) -> str:
        """A new name for an object."""
        self.names[kind] = f"{MARK}-{kind}-{secrets.token_hex(4)}"
        return self.names[kind]


@dataclass(frozen=True)
class Tenants:
    """The server, both tenants' keys, and what the first one has."""

    service: Service
    planted: Planted
    first: str
    """Secret of the first tenant's key."""
    others: Mapping[Role, str]
    """Secrets of keys of the second tenant."""

    def client(self, secret: str) -> httpx2.AsyncClient:
        """A client that shows a key."""
        made = client_of(self.service)
        made.headers["authorization"] = f"Bearer {secret}"
        return made


@contextmanager
def two_tenants(home: Path) -> Iterator[Tenants]:
    """Collections, adapters, an alias, a session, a job, usage and audit entries of the first tenant.

    Jobs that clients begin are worked on by nobody.
    """
    planted = Planted()
    with (
        pytest.MonkeyPatch.context() as patch,
        EdgeLLM(MODEL, home=home, settings=Settings(context_tokens=2048)) as edge,
    ):
        patch.setattr(disk_space, "SPARE_BYTES", 0)
        patch.setattr(recall, "open_for", lambda _identity, **_places: WordEmbedder())
        patch.setattr(Jobs, "_launch", lambda _self, _job_id: None)
        patch.setattr(edge.training, "_library", SimpleNamespace(find=lambda name: SimpleNamespace(reference=name)))
        _plant_shared(edge, planted, home)
        first = edge.keys.create(planted.secret("key"), limits=_limits(planted))
        planted.names["key"] = first.key.id
        _plant_own(edge, planted, home, first.key.id)
        _plant_records(edge, planted, first.key.id)
        limits = Limits(models=(MODEL,), collections=(OWN,))
        roles: tuple[Role, ...] = ("user", "viewer")
        others = {role: edge.keys.create(role, role=role, limits=limits).secret for role in roles}
        yield Tenants(open_service(edge, ServeOptions(), is_open=False), planted, first.secret, others)


def _limits(planted: Planted) -> Limits:
    names = planted.names
    models = (MODEL, names["alias"], names["model"])
    return Limits(models=models, collections=(names["collection"],))


def _plant_shared(edge: EdgeLLM, planted: Planted, home: Path) -> None:
    """What an administrator made, and only the first tenant's key names."""
    name = planted.name("collection")
    _collection(edge, name, home / f"{planted.name('file')}.txt", f"The password is {planted.secret('passage')} today.")
    _collection(edge, OWN, home / "open.txt", "The password is nowhere.")
    adapter = planted.name("adapter")
    _adapter(edge, adapter, planted.secret("weights"), home)
    planted.names["model"] = f"{MODEL}@{adapter}"
    planted.names["model with documents"] = f"{MODEL}+{name}"
    edge.aliases.set(planted.name("alias"), f"{MODEL}@{adapter}+{name}")


def _plant_own(edge: EdgeLLM, planted: Planted, home: Path, tenant: str) -> None:
    """What the first tenant made itself: its names end in the key's id, which the first tenant does not see."""
    name = planted.name("own")
    planted.names["own in full"] = f"{name}.{tenant}"
    text = f"The password is {planted.secret('own passage')} today."
    _collection(edge, f"{name}.{tenant}", home / f"{planted.name('own file')}.txt", text)
    _adapter(edge, f"{planted.name('taught')}.{tenant}", planted.secret("own weights"), home)
    planted.names["own model"] = f"{MODEL}@{planted.names['taught']}.{tenant}"
    planted.names["own documents"] = f"{MODEL}+{name}"


def _collection(edge: EdgeLLM, name: str, file: Path, text: str) -> None:
    file.write_text(text)
    with CollectionShelf(edge.home).open_or_create(name, lambda: WordEmbedder.identity) as collection:
        Ingest(collection, WordEmbedder, lambda _event: None, parse).run([file])


def _adapter(edge: EdgeLLM, name: str, content: str, home: Path) -> None:
    file = home / f"{name}.gguf"
    file.write_text(content)
    Shelf(edge.home).attach(file, BaseRecord(name=MODEL, sha256=MODEL))


def _plant_records(edge: EdgeLLM, planted: Planted, tenant: str) -> None:
    session = edge.sessions.create(title=planted.secret("session"), model=MODEL)
    planted.names["session"] = session.id
    job = edge._store().jobs.create("ingest", planted.secret("job"), {"folder": planted.secret("arguments of a job")})
    planted.names["job"] = job.id
    edge.usage.add(UsageRow(tenant=tenant, model=planted.secret("usage"), usage=Usage(prompt_tokens=5)))
    edge.audit.add(tenant, "document.add", planted.secret("audit"))


async def plant_by_http(tenants: Tenants) -> None:
    """What the first tenant has by having used the server: an answer and its rating, a file, jobs."""
    planted = tenants.planted
    async with tenants.client(tenants.first) as client:
        answer = await client.post(CHAT, json=question(planted.secret("question")))
        assert answer.status_code == 200, answer.text
        planted.names["answer"] = answer.json()["id"]
        said = {"response_id": planted.names["answer"], "rating": "up", "correction": planted.secret("correction")}
        assert (await client.post("/v1/feedback", json=said)).status_code == 200
        sent = (f"{planted.name('upload')}.jsonl", ROW % planted.secret("row").encode() + ROW % b"Me." + ROW % b"You.")
        made = await client.post("/v1/files", files={"file": sent}, data={"purpose": "fine-tune"})
        planted.names["uploaded file"] = made.json()["id"]
        asked = {"model": MODEL, "training_file": planted.names["uploaded file"], "suffix": planted.name("suffix")}
        begun = await client.post("/v1/fine_tuning/jobs", json=asked)
        assert begun.status_code == 200, begun.text
        planted.names["fine-tuning job"] = begun.json()["id"]
        text = {"name": f"{planted.name('written')}.txt", "text": planted.secret("text")}
        added = await client.post(f"/v1/documents/{planted.names['own']}/texts", json=text)
        assert added.status_code == 202, added.text
        planted.names["document job"] = added.json()["id"]
    for job in tenants.service.edge.jobs.list():  # nobody works on them
        tenants.service.edge._store().jobs.end(job.id, JobState.CANCELLED)


def question(text: str) -> dict[str, Any]:
    """A chat that asks for little."""
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], "max_tokens": 4, "temperature": 0}
