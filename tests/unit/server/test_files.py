"""Files for fine-tuning: sent in OpenAI's shape, kept with their hash, each its key's own."""

from __future__ import annotations

import hashlib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from edgellm.sdk.facade import EdgeLLM
from edgellm.server import files as shelf_of_files
from edgellm.server.doors import MOST_OF_ONE
from edgellm.server.routes import files as route
from edgellm.server.service import ServeOptions, Service, open_service
from edgellm.server.uploads import MOST_NAME_BYTES
from tests.unit.server.conftest import client_of

FILES = "/v1/files"
ROWS = b'{"prompt": "Which river?", "completion": "The Nile."}\n'
FORM: dict[str, Any] = {"files": {"file": ("rows.jsonl", ROWS)}, "data": {"purpose": "fine-tune"}}


@pytest.fixture
def keyed(own_edge: EdgeLLM) -> tuple[Service, dict[str, str]]:
    secrets = {name: own_edge.keys.create(name).secret for name in ("ana", "ben")}
    secrets["boss"] = own_edge.keys.create("boss", role="admin").secret
    return open_service(own_edge, ServeOptions(), is_open=True), secrets


def as_key(keyed: tuple[Service, dict[str, str]], name: str) -> httpx2.AsyncClient:
    made = client_of(keyed[0])
    made.headers["x-api-key"] = keyed[1][name]
    return made


def kept(edge: EdgeLLM) -> list[Path]:
    """What is on the disk."""
    return [path for path in edge.home.uploads.rglob("*") if path.is_file()]


async def test_a_file_comes_back_as_it_was_sent(keyed: tuple[Service, dict[str, str]]) -> None:
    async with as_key(keyed, "ana") as ana:
        made = (await ana.post(FILES, **FORM)).json()
        assert (made["object"], made["bytes"], made["filename"]) == ("file", len(ROWS), "rows.jsonl")
        assert (made["purpose"], made["status"]) == ("fine-tune", "processed")
        assert made["sha256"] == hashlib.sha256(ROWS).hexdigest()
        assert (await ana.get(f"{FILES}/{made['id']}")).json() == made
        assert (await ana.get(f"{FILES}/{made['id']}/content")).content == ROWS
        assert (await ana.get(FILES)).json()["data"] == [made]
        gone = (await ana.delete(f"{FILES}/{made['id']}")).json()
        assert gone == {"id": made["id"], "object": "file", "deleted": True}
        assert (await ana.get(f"{FILES}/{made['id']}")).status_code == 404
        assert (await ana.get(FILES)).json()["data"] == []
    assert kept(keyed[0].edge) == []
    done = [entry.action for entry in keyed[0].edge.audit.list(10)]
    assert done[:2] == ["file.remove", "file.add"]


async def test_another_keys_file_does_not_exist(keyed: tuple[Service, dict[str, str]]) -> None:
    async with as_key(keyed, "ana") as ana, as_key(keyed, "ben") as ben, as_key(keyed, "boss") as boss:
        name = (await ana.post(FILES, **FORM)).json()["id"]
        unknown = f"file-{'0' * 24}"
        for path in (f"{FILES}/{name}", f"{FILES}/{name}/content"):
            theirs, none = await ben.get(path), await ben.get(path.replace(name, unknown))
            assert (theirs.status_code, none.status_code) == (404, 404)
            assert theirs.text.replace(name, unknown) == none.text
        assert (await ben.delete(f"{FILES}/{name}")).status_code == 404
        assert (await ben.get(FILES)).json()["data"] == []
        assert [each["id"] for each in (await boss.get(FILES)).json()["data"]] == [name]
        assert (await boss.get(f"{FILES}/{name}/content")).content == ROWS
        assert (await ana.get(f"{FILES}/{name}")).status_code == 200


@pytest.mark.parametrize("name", ["..x", "*", "file-*", "%2e%2e%2fx", "file-" + "0" * 23 + "*"])
async def test_an_id_is_never_a_pattern_or_a_path(keyed: tuple[Service, dict[str, str]], name: str) -> None:
    async with as_key(keyed, "boss") as boss:
        await boss.post(FILES, **FORM)
        assert (await boss.get(f"{FILES}/{quote(name, safe='')}")).status_code == 404


def form(**change: Any) -> dict[str, Any]:
    return {**FORM, **change}


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        (form(data={}), "purpose"),
        (form(data={"purpose": "assistants"}), "purpose"),
        (form(data={"purpose": ["fine-tune", "fine-tune"]}), "purpose"),
        (form(data={"purpose": "fine-tune", "expires_after[seconds]": "5"}), "expires_after[seconds]"),
        (form(files={"other": ("x.jsonl", ROWS)}), "other"),
        (form(files={"purpose": ("x.jsonl", ROWS)}, data={}), "purpose"),
        (form(files={"purpose": (None, b"fine-tune"), "file": (None, ROWS)}, data={}), "file"),
        (form(files={"purpose": (None, b"fine-tune")}, data={}), "file"),
        (form(files=[("file", ("x.jsonl", ROWS))] * 2), "file"),
        (form(files={"file": ("x.jsonl", b"")}), "file"),
        (form(files={"file": ("x.csv", ROWS)}), "file"),
        (form(files={"file": ("../x.jsonl", ROWS)}), "file"),
        (form(files={"file": ("..\\x.jsonl", ROWS)}), "file"),
        (form(files={"file": (".x.jsonl", ROWS)}), "file"),
        (form(files={"file": ("\u202ex.jsonl", ROWS)}), "file"),
        (form(files={"file": ("x" * MOST_NAME_BYTES + ".jsonl", ROWS)}), "file"),
        (form(files={"purpose": (None, b"\xff"), "file": ("x.jsonl", ROWS)}, data={}), "purpose"),
    ],
    ids=str,
)
async def test_bad_forms_name_their_field_and_leave_nothing(
    keyed: tuple[Service, dict[str, str]], sent: dict[str, Any], field: str
) -> None:
    async with as_key(keyed, "ana") as ana:
        answer = await ana.post(FILES, **sent)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field), answer.text
    assert kept(keyed[0].edge) == []


@pytest.mark.parametrize("body", [b"", b"--x--", b"--x\r\n", b"nothing"])
async def test_what_is_no_form(keyed: tuple[Service, dict[str, str]], body: bytes) -> None:
    async with as_key(keyed, "ana") as ana:
        for kind in ("multipart/form-data; boundary=x", "multipart/form-data"):
            answer = await ana.post(FILES, content=body, headers={"content-type": kind})
            assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
        assert (await ana.post(FILES, json={"purpose": "fine-tune"})).status_code == 415


async def test_too_much_is_refused(keyed: tuple[Service, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    async with as_key(keyed, "ana") as ana:
        monkeypatch.setattr(route, "FILE_BYTES", len(ROWS) - 1)
        assert (await ana.post(FILES, **FORM)).status_code == 413
        monkeypatch.setattr(route, "FILE_BYTES", len(ROWS))
        monkeypatch.setattr(shelf_of_files, "ROOM_BYTES", 4 * shelf_of_files.FILE_COST_BYTES + 100)
        statuses = [(await ana.post(FILES, **FORM)).status_code for _ in range(3)]
        assert statuses == [200, 200, 413]  # what is remembered beside a file is one, too
        monkeypatch.setattr(route, "MOST_FILES", 2)
        assert (await ana.post(FILES, **FORM)).status_code == 413
    assert len(kept(keyed[0].edge)) == 4


async def test_a_key_sends_two_forms_at_a_time(keyed: tuple[Service, dict[str, str]]) -> None:
    service = keyed[0]
    tenant = next(key.id for key in service.edge.keys.list() if key.name == "ana")
    async with as_key(keyed, "ana") as ana, as_key(keyed, "ben") as ben, service.doors.passing(tenant):
        assert MOST_OF_ONE == 2
        assert (await ana.post(FILES, **FORM)).status_code == 200
        async with service.doors.passing(tenant):
            assert (await ana.post(FILES, **FORM)).status_code == 429
            assert (await ben.post(FILES, **FORM)).status_code == 200
        async with AsyncExitStack() as others:
            for name in ("a", "a", "b", "b", "c", "c", "d"):
                await others.enter_async_context(service.doors.passing(name))
            assert (await ben.post(FILES, **FORM)).status_code == 503


async def test_lists_come_in_pages(keyed: tuple[Service, dict[str, str]]) -> None:
    async with as_key(keyed, "ana") as ana:
        names = {(await ana.post(FILES, **FORM)).json()["id"] for _ in range(3)}
        whole = [each["id"] for each in (await ana.get(FILES)).json()["data"]]
        assert set(whole) == names
        assert [each["id"] for each in (await ana.get(FILES, params={"order": "asc"})).json()["data"]] == whole[::-1]
        first = (await ana.get(FILES, params={"limit": 2})).json()
        assert ([each["id"] for each in first["data"]], first["has_more"]) == (whole[:2], True)
        assert (first["first_id"], first["last_id"]) == (whole[0], whole[1])
        rest = (await ana.get(FILES, params={"limit": 2, "after": whole[1]})).json()
        assert ([each["id"] for each in rest["data"]], rest["has_more"]) == (whole[2:], False)
        assert (await ana.get(FILES, params={"after": "gone"})).json()["data"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"order": "up"}, "order"),
        ({"purpose": "vision"}, "purpose"),
        ({"page": 2}, "page"),
    ],
    ids=str,
)
async def test_bad_queries(client: httpx2.AsyncClient, query: dict[str, Any], field: str) -> None:
    answer = await client.get(FILES, params=query)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)


async def test_a_key_that_is_revoked_while_it_sends(
    keyed: tuple[Service, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyed[0].keyring, "is_valid", lambda _caller: False)
    async with as_key(keyed, "ana") as ana:
        assert (await ana.post(FILES, **FORM)).status_code == 401
    assert kept(keyed[0].edge) == []


async def test_a_server_that_stops_takes_no_files(keyed: tuple[Service, dict[str, str]]) -> None:
    keyed[0].drain.begin()
    async with as_key(keyed, "ana") as ana:
        assert (await ana.post(FILES, **FORM)).status_code == 503
    assert kept(keyed[0].edge) == []
