"""Schemathesis walks the published page of a server with the built-in fake model: hundreds of requests an operation."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgellm.sdk.facade import EdgeLLM
from tests.clients.catalogue import WALKER
from tests.clients.conftest import running
from tests.clients.environments import folder_of, is_made
from tests.unit.server.published import operations, page

EXAMPLES = int(os.environ.get("WALK_EXAMPLES", "500"))
LIMIT_S = 1_800
MEMORY_BYTES = 12 * 2**30
"""Of one walker: it keeps what it sent and got, which for the whole page were more than 18 GB."""
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
NOT_OFFERED = {"/api/create", "/api/copy", "/api/push", "/v1/rerank"}
"""501, as they say themselves: the first three always, the last without a reranker, which no package carries."""
TOO_MANY = {"/v1/messages", "/v1/messages/count_tokens"}
"""Whose bodies nest so far that the walker runs out of memory while it lists the cases of its phase `coverage`."""
MODELS = ["fake:", "no-such-model"]
"""What the walker may call a model: any text would be a 404 before anything else is looked at."""
PATHS = sorted({operation.path for operation in operations()} - NOT_OFFERED)

pytestmark = [pytest.mark.clients, pytest.mark.timeout(LIMIT_S + 60)]


@dataclass(frozen=True)
class Walked:
    """The server, an administrator's key, and where it keeps its things."""

    url: str
    secret: str
    home: Path


@pytest.fixture(scope="module")
def server(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    if not is_made(environments, WALKER):
        pytest.skip(f"{', '.join(WALKER.packages)} could not be installed")
    home = tmp_path_factory.mktemp("walked")
    with EdgeLLM("fake:", home=home) as edge:
        secret = edge.keys.create("walker", role="admin").secret
    with running(home, "fake:") as url:
        yield Walked(url, secret, home)


@pytest.mark.parametrize("path", PATHS)
def test_every_operation_keeps_what_the_page_says(
    server: Walked, environments: Path, tmp_path: Path, path: str
) -> None:
    done = walk(server, path, environments, tmp_path)
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    found = re.search(r"(\d+) generated", done.stdout)
    assert found, done.stdout[-2_000:]
    print(f"{path}: {found[0]}")
    log = server.home / "data" / "logs" / "server.log"
    assert not log.exists(), f"the server noted an error of its own: {log.read_text(encoding='utf-8')[-2_000:]}"


def walk(server: Walked, path: str, environments: Path, scratch: Path) -> subprocess.CompletedProcess[str]:
    """What the walker says of one path."""
    published = scratch / "page.json"
    published.write_text(json.dumps(with_models(page())), encoding="utf-8")
    walker = str(folder_of(environments, WALKER) / "bin" / "schemathesis")
    command = [walker, "run", str(published), "--url", server.url]
    asked = ["--header", f"Authorization: Bearer {server.secret}", "--include-path", path, "--checks", CHECKS]
    phases = "examples,fuzzing" if path in TOO_MANY else "examples,coverage,fuzzing"
    amount = ["--phases", phases, "--max-examples", str(EXAMPLES), "--seed", "1"]
    calm = ["--request-timeout", "60", "--generation-database", "none", "--no-color", "--suppress-health-check", "all"]
    return subprocess.run(
        [*command, *asked, *amount, *calm],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        cwd=scratch,
        env={"PATH": os.environ["PATH"], "HOME": str(scratch), "DO_NOT_TRACK": "1"},
        preexec_fn=_limit_memory,
        check=False,
    )


def with_models(part: Any) -> Any:
    """A page, or a part of one, whose fields called `model` take the names in MODELS alone."""
    if isinstance(part, list):
        return [with_models(each) for each in part]
    if not isinstance(part, dict):
        return part
    named = {name: with_models(each) for name, each in part.items()}
    if isinstance(part.get("properties"), dict) and "model" in part["properties"]:
        named["properties"]["model"] = {"enum": MODELS}
    return named


def _limit_memory() -> None:
    """In the child, before it becomes the walker: what grows without end must not take the machine with it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
