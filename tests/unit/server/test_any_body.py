"""Whatever is sent, no route breaks: every status is below 500 but for what is not offered, every error in shape."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgellm.sdk.facade import EdgeLLM
from edgellm.server.app import make_app, routes
from edgellm.server.rights import ROWS
from edgellm.server.service import ServeOptions, open_service
from tests.unit.server.conftest import BASE

TEXTS = st.text(max_size=12) | st.sampled_from(
    ["fake:", "auto", "user", "text", "function", "json_schema", "\x00", "../x"]
)
NUMBERS = st.integers(-(2**63), 2**63) | st.integers(-2, 5) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
GOOD: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "fake:", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2},
    "/v1/completions": {"model": "fake:", "prompt": "Hi", "max_tokens": 2},
    "/v1/messages": {"model": "fake:", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2},
    "/v1/responses": {"model": "fake:", "input": "Hi", "max_output_tokens": 16},
    "/api/chat": {"model": "fake:", "messages": [{"role": "user", "content": "Hi"}], "options": {"num_predict": 2}},
    "/api/generate": {"model": "fake:", "prompt": "Hi", "options": {"num_predict": 2}},
    "/v1/messages/count_tokens": {"model": "fake:", "messages": [{"role": "user", "content": "Hi"}]},
    "/tokenize": {"prompt": "Hi"},
    "/detokenize": {"tokens": [1]},
}
PATHS = [row.path for row in ROWS if row.method == "POST"]
NOT_OFFERED = {"/api/create", "/api/copy", "/api/push", "/v1/rerank"}


def fields_of(edge: EdgeLLM) -> dict[str, list[str]]:
    """The names of each body's fields, as the OpenAPI page has them."""
    page = routes(open_service(edge, ServeOptions(), is_open=True)).openapi()
    found = {}
    for path, operations in page["paths"].items():
        body = operations.get("post", {}).get("requestBody")
        if body is not None and "application/json" in body["content"]:
            name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            found[path] = sorted(page["components"]["schemas"][name]["properties"])
    return found


@pytest.mark.parametrize("path", PATHS)
def test_a_body_with_wild_fields(edge: EdgeLLM, path: str) -> None:
    names = fields_of(edge).get(path, ["model"])
    wild = st.dictionaries(st.sampled_from(names), VALUES, max_size=3)
    transport = httpx2.ASGITransport(make_app(open_service(edge, ServeOptions(deadline_s=10), is_open=True)))

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(wild)
    def check(changes: dict[str, Any]) -> None:
        asyncio.run(send({**GOOD.get(path, {}), **changes}))

    async def send(body: dict[str, Any]) -> None:
        async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
            answer = await client.post(path, json=body)
        assert answer.status_code < 500 or path in NOT_OFFERED, (body, answer.text)
        if answer.status_code >= 400:
            assert answer.json()["error"]

    check()
