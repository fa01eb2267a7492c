"""Two tenants: what one has, the other neither sees nor finds, on any route of the table, under any of its names."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import pytest

from edgellm.server.access import Right, Row
from edgellm.server.ownership import MOST_CHARACTERS
from edgellm.server.rights import ROWS, UPLOADS
from edgellm.store.keys import Role
from tests.unit.server.published import Operation, example, operations, texts
from tests.unit.server.tenants import CHAT, MARK, MODEL, OWN, Tenants, plant_by_http, question, two_tenants
from tests.unit.server.test_any_body import GOOD

ROLES: tuple[Role, ...] = ("user", "viewer")
BODIES = {**GOOD, "/v1/feedback": {"rating": "down"}}
"""What makes a least body complete, by path."""
REFERENCES = {"model", "response_id", "training_file"}
"""Fields that name an object: one of another tenant is a 404 there. In any other field a name is just a text."""
PARAMETER = re.compile(r"\{\w+(?::path)?\}")
CREATED = ("/v1/files", "/v1/documents")
"""Lists of what a key makes itself."""
A_FEW = ("collection", "uploaded file")
"""Kinds of names that are tried in fields which take any text."""
NAME = "name-of-an-object"
"""Stands in an attempt where a name belongs."""


@dataclass(frozen=True)
class Attempt:
    """One request of the second tenant, made for each name of an object."""

    path: str
    query: dict[str, str]
    body: Any
    field: str
    """Where the name stands: `path`, a field's name, or empty where it is nowhere."""
    is_form: bool = False
    """Whether it sends a file of that name."""

    def named(self, name: str) -> Attempt:
        """The same request about an object of that name."""
        return replace(
            self,
            path=self.path.replace(NAME, name),
            query=_filled(self.query, name),
            body=_filled(self.body, name),
        )


def _filled(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, name) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, name) for each in value]
    return value.replace(NAME, name) if isinstance(value, str) else value


def operation_of(row: Row) -> Operation:
    """What the page says of a route; a route that it does not show takes nothing."""
    path = row.path.replace(":path}", "}")
    shown = [each for each in operations() if (each.method, each.path) == (row.method, path)]
    return shown[0] if shown else Operation(row.method, path, None, ())


def attempts(row: Row, firsts: Sequence[str] = ()) -> list[Attempt]:
    """Every way to name an object on a route: in its path, behind the question mark, in each field of its body.

    `firsts`: what else the first of several parameters of a path may be.
    """
    operation = operation_of(row)
    body, own = _body(operation), PARAMETER.sub(OWN, row.path)
    found = [Attempt(own, {}, body, "")]
    if own != row.path:
        found.append(Attempt(PARAMETER.sub(NAME, row.path), {}, body, "path"))
    if len(PARAMETER.findall(row.path)) > 1:
        begun = [PARAMETER.sub(first, row.path, count=1) for first in (OWN, *firsts)]
        found += [Attempt(PARAMETER.sub(NAME, each), {}, body, "path") for each in begun]
    if row.path in UPLOADS:
        form = {"purpose": "fine-tune"} if row.path == "/v1/files" else {"tags": NAME}
        found += [Attempt(each.path, {}, form, each.field or "file", is_form=True) for each in found]
    found += [Attempt(own, {name: NAME}, body, name) for name in operation.queries]
    for place, value in texts(operation.body or {}, NAME):
        root = str(place[0])
        found.append(Attempt(own, {}, {**body, root: value[root]}, root))
    return found


def _body(operation: Operation) -> Any:
    if operation.body is None:
        return None
    least = example(operation.body)
    return {**least, **({"model": MODEL} if "model" in least else {}), **BODIES.get(operation.path, {})}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    with two_tenants(tmp_path_factory.mktemp("tenants")) as made:
        yield made


@pytest.fixture
async def tenants(planted: Tenants) -> Tenants:
    if "answer" not in planted.planted.names:
        await plant_by_http(planted)
    return planted


@pytest.fixture(params=ROLES)
async def other(request: pytest.FixtureRequest, tenants: Tenants) -> AsyncIterator[tuple[Role, httpx2.AsyncClient]]:
    """The second tenant."""
    async with tenants.client(tenants.others[request.param]) as client:
        yield request.param, client


def absent(name: str) -> str:
    """A name of the same form that stands for nothing."""
    return name.replace(MARK, "absent") if MARK in name else name[:-8] + "0" * 8


async def ask(client: httpx2.AsyncClient, row: Row, attempt: Attempt) -> httpx2.Response:
    if attempt.is_form:
        file = (f"{attempt.body.get('tags', 'rows')}.jsonl", b'{"prompt": "Who?", "completion": "Nobody."}\n')
        return await client.request(row.method, attempt.path, files={"file": file}, data=attempt.body)
    if attempt.body is None:
        return await client.request(row.method, attempt.path, params=attempt.query)
    return await client.request(row.method, attempt.path, params=attempt.query, json=attempt.body)


def names_for(attempt: Attempt, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """The names that an attempt is made with: all where one belongs, a few where any text does."""
    if attempt.field in ("path", *REFERENCES):
        return list(names.items())
    return [(kind, names[kind]) for kind in (A_FEW if attempt.field else A_FEW[:1])]


async def tidy(client: httpx2.AsyncClient) -> None:
    """Delete what the second tenant made on its way: it has the names that it used."""
    for path in CREATED:
        listed = await client.get(path)
        for each in listed.json()["data"] if listed.status_code == 200 else ():
            if each["id"] != OWN:
                await client.delete(f"{path}/{each['id']}")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
async def test_what_is_anothers_is_what_is_not_there(
    tenants: Tenants, other: tuple[Role, httpx2.AsyncClient], row: Row
) -> None:
    """Status and words are the same as for a name that stands for nothing; none of the other's texts is in them."""
    before, (role, client) = await seen_by_first(tenants), other
    names, makes = tenants.planted.names, row.method == "POST" and row.path.startswith(CREATED)
    made = attempts(row, firsts=[names["collection"], names["own"], names["own in full"]])
    for attempt in made[: 1 if row.right(role) is Right.NONE else None]:
        for kind, name in names_for(attempt, names):
            if name in attempt.path:
                continue  # it stands there already
            real = await ask(client, row, attempt.named(name))
            if makes and real.status_code < 300:
                await tidy(client)
            made_up = await ask(client, row, attempt.named(absent(name)))
            if makes and made_up.status_code < 300:
                await tidy(client)
            check_silence(tenants, (kind, attempt, name), real, made_up)
    assert await seen_by_first(tenants) == before


def neutral(text: str, name: str) -> str:
    """A text without the name that was sent, also where a message cuts it off."""
    return text.replace(name, NAME).replace(name[:MOST_CHARACTERS], NAME)


def check_silence(
    tenants: Tenants, what: tuple[str, Attempt, str], real: httpx2.Response, made_up: httpx2.Response
) -> None:
    _, attempt, name = what
    said = (what, real.status_code, real.text[:300], made_up.status_code, made_up.text[:300])
    assert real.status_code == made_up.status_code, said
    if real.status_code >= 400:
        assert neutral(real.text, name) == neutral(made_up.text, absent(name)), said
    if attempt.field in REFERENCES:
        assert real.status_code in (403, 404, 501), said
    known = [*tenants.planted.contents.items(), *tenants.planted.names.items()]
    unsaid = [(each, text) for each, text in known if text not in attempt.path]
    leaked = [each for each, text in unsaid if text in neutral(real.text, name)]
    assert not leaked, (leaked, said)


LISTS = ("/v1/models", "/v1/documents", "/api/tags", "/v1/files", "/v1/fine_tuning/jobs")


async def seen_by_first(tenants: Tenants) -> list[Any]:
    """What the first tenant finds, to notice when the second one changed it."""
    planted = tenants.planted
    paths = [
        *LISTS,
        f"/v1/documents/{planted.names['collection']}/files",
        f"/v1/documents/{planted.names['own']}/jobs",
        f"/v1/models/{planted.names['alias']}",
    ]
    async with tenants.client(tenants.first) as client:
        found = [(await client.get(path)).json() for path in paths]
    rated = tenants.service.edge.answers.get(planted.names["answer"], planted.names["key"])
    return [*found, rated]


async def test_the_canaries_are_there(tenants: Tenants) -> None:
    """Who owns them does find them: a walk in which nothing was planted would prove nothing."""
    names, contents = tenants.planted.names, tenants.planted.contents
    models, documents, tags, uploads, jobs, files, own, alias, rated = await seen_by_first(tenants)
    assert {names["alias"], names["model"]} & {model["id"] for model in models["data"]}
    assert alias["id"] == names["alias"]
    assert {each["id"] for each in documents["data"]} == {names["collection"], names["own"]}
    assert [each["id"] for each in uploads["data"]] == [names["uploaded file"]]
    assert [each["id"] for each in jobs["data"]] == [names["fine-tuning job"]]
    assert [each["id"] for each in own["data"]] == [names["document job"]]
    assert names["file"] in files["data"][0]["name"]
    assert tags
    assert rated.correction == contents["correction"]
    async with tenants.client(tenants.first) as client:
        for collection, passage in (("collection", "passage"), ("own", "own passage")):
            path = f"/v1/documents/{names[collection]}/search"
            found = await client.post(path, json={"question": "What is the password?"})
            assert contents[passage] in found.text
        content = await client.get(f"/v1/files/{names['uploaded file']}/content")
        assert contents["row"] in content.text
        for model in (names["alias"], names["model"], names["model with documents"]):
            answer = await client.post(CHAT, json={**question("Hi"), "model": model})
            assert (answer.status_code, answer.json()["model"]) == (200, model)


ASKED = {CHAT, "/v1/documents/{collection}/search", "/v1/documents/{collection}/ask", "/v1/feedback"}
"""Routes to which a name can be posted without changing anything for good."""


async def test_a_walk_reaches_what_a_tenant_has(tenants: Tenants) -> None:
    """The same attempts by the owner are answered: they fail for the other one because of whose the objects are."""
    answered = set()
    async with tenants.client(tenants.first) as client:
        for row in (row for row in ROWS if row.user is not Right.NONE and (row.method == "GET" or row.path in ASKED)):
            made = attempts(row, firsts=[tenants.planted.names["own"]])
            for attempt in (each for each in made if each.field == "path" or each.field in REFERENCES):
                for kind, name in tenants.planted.names.items():
                    if (await ask(client, row, attempt.named(name))).status_code == 200:
                        answered.add((row.path, kind))
    search, models = "/v1/documents/{collection}/search", "/v1/models/{id:path}"
    assert {(search, "collection"), (search, "own"), (models, "alias"), ("/v1/feedback", "answer")} <= answered
    assert {("/v1/files/{id}", "uploaded file"), ("/v1/fine_tuning/jobs/{id}", "fine-tuning job")} <= answered
    assert ("/v1/documents/{collection}/jobs/{id}", "document job") in answered
    assert {(CHAT, "alias"), (CHAT, "model"), (CHAT, "model with documents")} <= answered


WRITING = {
    CHAT: lambda told: told["usage"]["prompt_tokens_details"]["cached_tokens"],
    "/v1/responses": lambda told: told["usage"]["input_tokens_details"]["cached_tokens"],
    "/v1/messages": lambda told: told["usage"]["cache_read_input_tokens"],
    "/v1/completions": lambda told: told["usage"]["prompt_tokens_details"]["cached_tokens"],
}


@pytest.mark.parametrize("path", WRITING)
async def test_a_cache_says_nothing_of_what_another_asked(tenants: Tenants, path: str) -> None:
    """The first asks twice and is served from its cache; the second one's first time costs what a first time does."""
    text = f"{path} {MARK} " + "once upon a time there was a lighthouse keeper " * 8
    body = {**GOOD[path], "stream": False}
    for name in ("messages", "input", "prompt"):
        if name in body:
            body[name] = [{"role": "user", "content": text}] if name == "messages" else text
    cached = []
    for secret in (tenants.first, tenants.first, tenants.others["user"], tenants.others["user"]):
        async with tenants.client(secret) as client:
            answer = await client.post(path, json=body)
            assert answer.status_code == 200, answer.text
            cached.append(WRITING[path](answer.json()))
    first, again, others, others_again = cached
    assert again - first >= 300
    assert others_again - others >= 300
    assert others == first


def test_a_new_route_is_walked() -> None:
    """Attempts come from the table of rights and the page, not from a list of this file."""
    row = next(row for row in ROWS if row.path == "/v1/documents/{collection}/search")
    made = attempts(row)
    assert {"path", "", "question", "files", "tags"} <= {attempt.field for attempt in made}
    assert Attempt(f"/v1/documents/{NAME}/search", {}, {"question": "x"}, "path") in made
