"""Documents sent over HTTP: a key's own collections, filled, asked, emptied; no other key's, no path, no address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from edgellm.retrieval.embed import recall
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.jobs import Jobs
from edgellm.server import files as room
from edgellm.server.routes import documents as route
from edgellm.server.service import ServeOptions, Service, open_service
from edgellm.store import JobState
from edgellm.store.keys import Limits, Role
from tests.unit.retrieval.fakes import WordEmbedder
from tests.unit.server.conftest import client_of
from tests.unit.server.reading import WAITING, read_here

FARES = "A single ticket for the ferry costs nine crowns."
GULLS = "Nobody may feed the gulls."
FERRY = "/v1/documents/ferry"


class Keyed:
    """A server with keys."""

    def __init__(self, edge: EdgeLLM) -> None:
        self.edge = edge
        self.service: Service = open_service(edge, ServeOptions(), is_open=True)
        self.tenants: dict[str, str] = {}

    def client(self, name: str, role: Role = "user", **limits: Any) -> httpx2.AsyncClient:
        made = self.edge.keys.create(name, role=role, limits=Limits(**limits))
        self.tenants[name] = made.key.id
        client = client_of(self.service)
        client.headers["x-api-key"] = made.secret
        return client


@pytest.fixture
def keyed(own_edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> Keyed:
    monkeypatch.setattr(recall, "open_for", lambda _identity, **_places: WordEmbedder())
    monkeypatch.setattr(Jobs, "_launch", read_here)
    WAITING.clear()
    return Keyed(own_edge)


def form(*texts: tuple[str, str], **fields: Any) -> dict[str, Any]:
    return {"files": [("file", (name, text.encode())) for name, text in texts], "data": fields}


async def fill(client: httpx2.AsyncClient, path: str = FERRY, *texts: tuple[str, str]) -> dict[str, Any]:
    answer = await client.post(f"{path}/files", **form(*(texts or (("fares.txt", FARES),))))
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


async def test_files_are_sent_found_and_taken_out(keyed: Keyed) -> None:
    async with keyed.client("ana") as ana:
        job = await fill(ana, FERRY, ("fares.txt", FARES), ("gulls.txt", GULLS))
        assert (job["object"], job["collection"], job["status"]) == ("document.job", "ferry", "finished")
        assert (job["files"], job["result"]["added"], job["result"]["failed"]) == (["fares.txt", "gulls.txt"], 2, [])
        assert (await ana.get(f"{FERRY}/jobs/{job['id']}")).json() == job
        assert (await ana.get(f"{FERRY}/jobs")).json()["data"] == [job]
        assert [(each["id"], each["files"]) for each in (await ana.get("/v1/documents")).json()["data"]] == [
            ("ferry", 2)
        ]
        assert [each["name"] for each in (await ana.get(f"{FERRY}/files")).json()["data"]] == ["fares.txt", "gulls.txt"]
        search = {"question": "What does a ticket cost?", "limit": 1, "files": ["fares.txt"]}
        (hit,) = (await ana.post(f"{FERRY}/search", json=search)).json()["data"]
        assert (hit["file"], hit["text"]) == ("fares.txt", FARES)
        gone = (await ana.delete(f"{FERRY}/files/gulls.txt")).json()
        assert gone == {"object": "file", "name": "gulls.txt", "deleted": True}
        assert [each["name"] for each in (await ana.get(f"{FERRY}/files")).json()["data"]] == ["fares.txt"]
        assert (await ana.delete(f"{FERRY}/files/gulls.txt")).status_code == 404
        assert (await ana.delete(FERRY)).json() == {"object": "collection", "id": "ferry", "deleted": True}
        assert (await ana.get(f"{FERRY}/files")).status_code == (await ana.delete(FERRY)).status_code == 404
    assert [path for path in keyed.edge.home.uploads.rglob("*") if path.is_file()] == []
    done = [entry.action for entry in keyed.edge.audit.list(10)]
    assert done[:3] == ["document.remove", "document.remove", "document.add"]


async def test_a_written_text_is_a_file_and_the_same_name_replaces_it(keyed: Keyed) -> None:
    async with keyed.client("ana") as ana:
        for text in (FARES, GULLS):
            body = {"name": "note.txt", "text": text, "tags": ["new"]}
            answer = await ana.post(f"{FERRY}/texts", json=body)
            assert answer.status_code == 202, answer.text
        (file,) = (await ana.get(f"{FERRY}/files")).json()["data"]
        assert (file["name"], file["tags"]) == ("note.txt", ["new"])
        (hit,) = (await ana.post(f"{FERRY}/search", json={"question": "gulls", "tags": ["new"]})).json()["data"]
        assert hit["text"] == GULLS


async def test_an_answer_names_its_source_as_the_key_knows_it(keyed: Keyed) -> None:
    async with keyed.client("ana") as ana:
        await fill(ana)
        question = "What does a single ticket for the ferry cost?"
        asked = await ana.post(f"{FERRY}/ask", json={"question": question, "max_tokens": 4})
        assert asked.status_code == 200, asked.text
        assert (asked.json()["object"], asked.json()["model"]) == ("chat.completion", "fake:+ferry")
        chat = {"model": "fake:+ferry", "messages": [{"role": "user", "content": question}], "max_tokens": 4}
        chatted = await ana.post("/v1/chat/completions", json=chat)
        stream = await ana.post(f"{FERRY}/ask", json={"question": question, "max_tokens": 4, "stream": True})
    for answer in (asked, chatted):
        evidence = answer.json()["evidence"]
        assert (evidence["collection"], evidence["passages"]) == ("ferry", 1)
        assert {each["file"] for each in evidence["citations"]} <= {"fares.txt"}
    for answer in (asked, chatted, stream):
        assert keyed.tenants["ana"] not in answer.text
        assert str(keyed.edge.home.data) not in answer.text


ROUTES = [
    ("GET", "/files", None),
    ("GET", "/jobs", None),
    ("POST", "/search", {"question": "ticket"}),
    ("POST", "/ask", {"question": "ticket"}),
    ("DELETE", "/files/fares.txt", None),
    ("DELETE", "", None),
]


@pytest.mark.parametrize(("method", "ending", "body"), ROUTES)
async def test_another_keys_collection_does_not_exist(keyed: Keyed, method: str, ending: str, body: Any) -> None:
    async with keyed.client("ana") as ana, keyed.client("ben") as ben:
        job = await fill(ana)
        owned = f"ferry.{keyed.tenants['ana']}"
        if ending == "/jobs":
            assert (await ben.get(f"{FERRY}/jobs/{job['id']}")).status_code == 404
        for name in ("ferry", owned, "nothing"):
            answer = await ben.request(method, f"/v1/documents/{name}{ending}", json=body)
            assert answer.status_code == 404, answer.text
        chat = {"model": f"fake:+{owned}", "messages": [{"role": "user", "content": "ticket"}]}
        assert (await ben.post("/v1/chat/completions", json=chat)).status_code == 404
        assert (await ben.get("/v1/documents")).json()["data"] == []
        assert len((await ana.get(f"{FERRY}/files")).json()["data"]) == 1


async def test_two_keys_have_collections_of_one_name(keyed: Keyed) -> None:
    async with keyed.client("ana") as ana, keyed.client("ben") as ben, keyed.client("boss", "admin") as boss:
        await fill(ana, FERRY, ("a.txt", FARES))
        await fill(ben, FERRY, ("b.txt", GULLS))
        found = (await ben.post(f"{FERRY}/search", json={"question": "single ticket ferry gulls"})).json()["data"]
        assert [hit["text"] for hit in found] == [GULLS]
        assert (await ben.delete(FERRY)).status_code == 200
        assert [each["name"] for each in (await ana.get(f"{FERRY}/files")).json()["data"]] == ["a.txt"]
        owned = f"ferry.{keyed.tenants['ana']}"
        assert [each["id"] for each in (await boss.get("/v1/documents")).json()["data"]] == [owned]
        assert (await boss.get(f"/v1/documents/{owned}/files")).json()["data"][0]["name"] == "a.txt"


async def test_a_shared_collection_is_filled_by_administrators(keyed: Keyed) -> None:
    async with keyed.client("boss", "admin") as boss, keyed.client("ana", collections=("ferry",)) as ana:
        await fill(boss)
        assert (await ana.get(f"{FERRY}/files")).json()["data"][0]["name"] == "fares.txt"
        for answer in (
            await ana.post(f"{FERRY}/files", **form(("x.txt", GULLS))),
            await ana.post(f"{FERRY}/texts", json={"name": "x.txt", "text": GULLS}),
            await ana.delete(f"{FERRY}/files/fares.txt"),
            await ana.delete(FERRY),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "access_denied")
        assert len((await boss.get(f"{FERRY}/files")).json()["data"]) == 1
        await fill(ana, "/v1/documents/notes", ("mine.txt", GULLS))
        assert [each["id"] for each in (await ana.get("/v1/documents")).json()["data"]] == ["ferry", "notes"]


async def test_a_file_that_was_not_sent_stays_where_it_is(keyed: Keyed, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text(FARES)
    keyed.edge.documents("ferry").add([outside])
    async with keyed.client("boss", "admin") as boss:
        assert (await boss.delete(f"{FERRY}/files/{outside}")).status_code == 200
        assert (await boss.get(f"{FERRY}/files")).json()["data"] == []
    assert outside.read_text() == FARES


async def test_a_damaged_file_is_said(keyed: Keyed) -> None:
    async with keyed.client("ana") as ana:
        job = await fill(ana, FERRY, ("fares.txt", FARES), ("broken.txt", "damaged"))
    assert job["result"]["failed"] == [{"file": "broken.txt", "reason": "it is damaged"}]


async def test_a_failed_job_names_no_folder(keyed: Keyed) -> None:
    WAITING.add("ferry")
    async with keyed.client("ana") as ana:
        job = await fill(ana)
        words = "There is no model '/home/secret/embedder'."
        keyed.edge.jobs._store().jobs.end(job["id"], JobState.FAILED, error="ModelNotFound", message=words)
        answer = await ana.get(f"{FERRY}/jobs/{job['id']}")
        assert (answer.json()["status"], answer.json()["error"]["code"]) == ("failed", "ModelNotFound")
        assert "secret" not in answer.text
        assert (await ana.delete(FERRY)).status_code == 200  # what was sent goes, though there is no collection


async def test_a_key_reads_two_batches_at_a_time(keyed: Keyed) -> None:
    WAITING.add("slow")
    async with keyed.client("ana") as ana, keyed.client("ben") as ben:
        for name in ("a.txt", "b.txt"):
            await fill(ana, "/v1/documents/slow", (name, FARES))
        answer = await ana.post(f"{FERRY}/files", **form(("c.txt", FARES)))
        assert (answer.status_code, int(answer.headers["retry-after"]) >= 1) == (429, True)
        assert (await ana.post(f"{FERRY}/texts", json={"name": "c.txt", "text": "x"})).status_code == 429
        await fill(ben)
        assert (await ana.delete("/v1/documents/slow")).status_code == 200
        assert all(not job.is_active for job in keyed.edge.jobs.list())


BAD_NAMES = ["..", ".x", "a/b.txt", "a\\b.txt", "\u202ea.txt", "x" * 201, "a\x00b"]


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_a_files_name_is_never_a_path(keyed: Keyed, name: str) -> None:
    async with keyed.client("ana") as ana:
        answer = await ana.post(f"{FERRY}/texts", json={"name": name, "text": FARES})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "name")
        if "\x00" not in name:  # the client writes it as %00, which is a name like others
            sent = await ana.post(f"{FERRY}/files", **form((name, FARES)))
            assert sent.status_code == 400, sent.text
    assert [path for path in keyed.edge.home.uploads.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["a b", "x" * 37, "a..b", "%2e%2e", "-a", "a%00"])
async def test_a_collections_name_is_never_a_path(keyed: Keyed, name: str) -> None:
    async with keyed.client("ana") as ana:
        for answer in (
            await ana.post(f"/v1/documents/{name}/texts", json={"name": "x.txt", "text": FARES}),
            await ana.post(f"/v1/documents/{name}/files", **form(("x.txt", FARES))),
            await ana.get(f"/v1/documents/{name}/files"),
        ):
            assert answer.status_code in (400, 404)
            assert answer.json()["error"]["message"]
    assert not keyed.edge.home.uploads.exists()


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        (form(), "body"),
        (form(("x.txt", FARES), url="http://169.254.169.254/"), "url"),
        (form(("x.txt", FARES), path="/etc/passwd"), "path"),
        (form(("x.txt", FARES), tags=""), "tags"),
        (form(("x.txt", FARES), tags=["a"] * 33), "tags"),
        (form(*[(f"{number}.txt", FARES) for number in range(33)]), "file"),
        (form(("x.txt", FARES), ("x.txt", GULLS)), "file"),
    ],
    ids=str,
)
async def test_bad_forms(keyed: Keyed, sent: dict[str, Any], field: str) -> None:
    async with keyed.client("ana") as ana:
        answer = await ana.post(f"{FERRY}/files", **sent)
    if field == "body":
        assert answer.status_code in (400, 415)
    else:
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, field), answer.text
    assert keyed.edge.jobs.list() == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("texts", {"name": "x.txt"}, "text"),
        ("texts", {"name": "x.txt", "text": ""}, "text"),
        ("texts", {"name": "x.txt", "text": "x", "url": "http://x"}, "url"),
        ("texts", {"name": "x.txt", "text": "x", "tags": ["\x1b"]}, "tags"),
        ("texts", {"name": 5, "text": "x"}, "name"),
        ("ask", {"question": ""}, "question"),
        ("ask", {"question": "x", "max_tokens": 0}, "max_tokens"),
        ("ask", {"question": "x", "stream": "yes"}, "stream"),
        ("ask", {"question": "x", "messages": []}, "messages"),
    ],
    ids=str,
)
async def test_bad_bodies(keyed: Keyed, path: str, body: Any, field: str) -> None:
    async with keyed.client("ana") as ana:
        await fill(ana)
        answer = await ana.post(f"{FERRY}/{path}", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field), answer.text


async def test_a_keys_room_is_all_its_uploads_together(keyed: Keyed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ROOM_BYTES", len(FARES) + 5)
    async with keyed.client("ana") as ana, keyed.client("boss", "admin") as boss:
        await fill(ana)
        more = await ana.post("/v1/documents/more/files", **form(("gulls.txt", GULLS)))
        assert more.status_code == 413
        assert (await ana.post(f"{FERRY}/texts", json={"name": "x.txt", "text": GULLS})).status_code == 400
        await fill(boss, "/v1/documents/more", ("gulls.txt", GULLS))
        monkeypatch.setattr(route, "FILE_BYTES", 3)
        assert (await boss.post("/v1/documents/more/files", **form(("x.txt", GULLS)))).status_code == 413


async def test_a_damaged_collection_is_listed_without_its_folder(keyed: Keyed) -> None:
    async with keyed.client("ana") as ana:
        await fill(ana)
        (keyed.edge.home.collections / f"ferry.{keyed.tenants['ana']}.sqlite").write_bytes(b"no database" * 1_000)
        listed = await ana.get("/v1/documents")
    (found,) = listed.json()["data"]
    assert (found["id"], bool(found["reason"])) == ("ferry", True)
    assert str(keyed.edge.home.data) not in listed.text
