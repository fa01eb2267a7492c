"""GET /admin: a page without a script in which nothing of a client's is more than text."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx2
import pytest

from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.live import LiveFigures, LiveRequest
from edgellm.sdk.serving import Limits, UsageRow
from edgellm.server.admin_html import STYLE, AdminView, page
from edgellm.server.service import ServeOptions, open_service
from edgellm.settings import Settings
from edgellm.types import Usage
from tests.unit.server.conftest import client_of

HOSTILE = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>\x1b[2J\u202egpj"
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "a"),
    *("table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "text"),
}
LINKS = {"?check=true"}


class Elements(HTMLParser):
    """Tags, attributes and texts of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def check_harmless(source: str) -> Elements:
    """No element and no attribute that loads, runs or sends anything."""
    found = Elements(source)
    assert found.tags <= TAGS
    names = {name for name, _ in found.attributes}
    assert not names & {"style", "src", "srcset", "action", "background", "data", "http-equiv"}
    assert not [name for name in names if name.startswith("on")]
    assert {value for name, value in found.attributes if name == "href"} <= LINKS
    assert not set(source) & {"\x1b", "\u202e"}
    return found


@pytest.fixture(scope="module")
def secrets_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EdgeLLM, dict[str, str]]]:
    """A server with keys, use and an audit log."""
    home = tmp_path_factory.mktemp("page")
    with EdgeLLM("fake:", home=home, settings=Settings(context_tokens=1024)) as edge:
        limits = Limits(tokens_per_day=2_000, requests=3)
        made = {
            "admin": edge.keys.create("boss", role="admin").secret,
            "user": edge.keys.create("<b>Ana</b>", limits=limits).secret,
            "viewer": edge.keys.create("grafana", role="viewer").secret,
        }
        ana = edge.keys.find(made["user"])
        assert ana is not None
        used = Usage(prompt_tokens=1_000, completion_tokens=234)
        edge.usage.add(UsageRow(tenant=ana.id, model="fake:", usage=used, energy_j=5_400.0))
        edge.audit.add("local", "document.add", HOSTILE, name=HOSTILE)
        yield edge, made


@pytest.fixture
async def client(secrets_of: tuple[EdgeLLM, dict[str, str]]) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(open_service(secrets_of[0], ServeOptions(), is_open=True)) as made:
        yield made


def basic(secret: str, name: str = "anyone") -> dict[str, str]:
    """As a browser sends what was typed into its dialog."""
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


async def test_the_page_shows_what_there_is(
    client: httpx2.AsyncClient, secrets_of: tuple[EdgeLLM, dict[str, str]]
) -> None:
    answer = await client.get("/admin", headers=basic(secrets_of[1]["admin"]))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    texts = check_harmless(answer.text).texts
    for shown in (
        "boss",
        "<b>Ana</b>",
        "1,234 of 2,000",
        "viewer",
        "document.add",
        "0 of 8 answers are written",
        "1.50 Wh",
    ):
        assert [text for text in texts if shown in text], shown
    assert "No request is open." in texts
    assert all(secret not in answer.text for secret in secrets_of[1].values())


async def test_nothing_is_loaded_run_or_framed(
    client: httpx2.AsyncClient, secrets_of: tuple[EdgeLLM, dict[str, str]]
) -> None:
    headers = (await client.get("/admin", headers=basic(secrets_of[1]["admin"]))).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert policy["style-src"] == f"'sha256-{digest}'"
    others = {name: value for name, value in policy.items() if name != "style-src"}
    assert others == dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'")
    assert (headers["refresh"], headers["referrer-policy"], headers["cache-control"]) == (
        "5",
        "no-referrer",
        "no-store",
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in headers


async def test_the_audit_log_is_walked_on_request(
    client: httpx2.AsyncClient, secrets_of: tuple[EdgeLLM, dict[str, str]]
) -> None:
    admin = basic(secrets_of[1]["admin"])
    plain = (await client.get("/admin", headers=admin)).text
    assert "each as it was written" not in plain
    checked = await client.get("/admin", params={"check": "true"}, headers=admin)
    assert "each as it was written" in checked.text
    assert str(secrets_of[0].audit.verify().head) in checked.text
    assert "refresh" not in checked.headers
    assert (await client.get("/admin", params={"check": "<script>"}, headers=admin)).status_code == 400


async def test_a_browser_is_asked_for_a_key(
    client: httpx2.AsyncClient, secrets_of: tuple[EdgeLLM, dict[str, str]]
) -> None:
    secrets = secrets_of[1]
    asked = await client.get("/admin")
    assert (asked.status_code, asked.headers["www-authenticate"]) == (401, 'Bearer, Basic realm="EdgeLLM"')
    for name in ("", "admin", "a b"):
        assert (await client.get("/admin", headers=basic(secrets["admin"], name))).status_code == 200
    assert (await client.get("/admin", headers={"x-api-key": secrets["admin"]})).status_code == 200
    for role in ("user", "viewer"):
        assert (await client.get("/admin", headers=basic(secrets[role]))).status_code == 403
    wrong = ["Basic", "Basic ", "Basic !!!", "Basic " + secrets["admin"], basic("")["authorization"]]
    for value in [*wrong, "Basic " + base64.b64encode(b"\xff:\xff").decode()]:
        assert (await client.get("/admin", headers={"authorization": value})).status_code == 401, value


@pytest.mark.parametrize("path", ["/admin/status", "/v1/models", "/metrics", "/openapi.json"])
async def test_only_the_page_takes_a_password(
    client: httpx2.AsyncClient, secrets_of: tuple[EdgeLLM, dict[str, str]], path: str
) -> None:
    """Elsewhere a browser that remembers it must not speak for its user."""
    answer = await client.get(path, headers=basic(secrets_of[1]["admin"]))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_it_is_read_only(
    client: httpx2.AsyncClient, secrets_of: tuple[EdgeLLM, dict[str, str]], method: str
) -> None:
    answer = await client.request(method, "/admin", headers=basic(secrets_of[1]["admin"]))
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


async def test_a_page_of_another_site_gets_none(
    client: httpx2.AsyncClient, secrets_of: tuple[EdgeLLM, dict[str, str]]
) -> None:
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.test"}, {"host": "evil.test"}):
        assert (await client.get("/admin", headers=basic(secrets_of[1]["admin"]) | headers)).status_code == 403


def view(**changes: object) -> AdminView:
    request = LiveRequest(
        tenant=HOSTILE, key=HOSTILE, model=HOSTILE, stage="writing", tokens=5, tokens_per_s=2.5, seconds=1
    )
    figures = LiveFigures(
        address=HOSTILE,
        model=HOSTILE,
        started_at=0,
        requests=(request,),
        running=1,
        most_running=8,
        waiting=0,
        most_waiting=64,
        engines={},
    )
    empty = {"now": 0.0, "figures": figures, "keys": (), "spent_today": {}, "days": (), "entries": (), "check": None}
    return AdminView(**{**empty, **changes})  # type: ignore[arg-type]


def test_hostile_texts_stay_texts() -> None:
    found = check_harmless(page(view()))
    assert "script" not in found.tags
    assert len([text for text in found.texts if "<script>alert(1)</script>" in text]) == 3


def test_what_was_changed_in_the_audit_log_is_said(tmp_path: Path) -> None:
    with EdgeLLM("fake:", home=tmp_path) as edge:
        sound = edge.audit.verify()
    broken = type(sound)(entries=3, head=sound.head, broken_at=2, reason="entry 2 is not as it was written")
    assert re.search(r'<p class="bad">3 entries; entry 2 is not as it was written\.</p>', page(view(check=broken)))
