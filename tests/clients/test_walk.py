"""Schemathesis walks the published page of a server with the built-in fake model: hundreds of requests an operation."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from edgellm.sdk.facade import EdgeLLM
from tests.clients.catalogue import WALKER
from tests.clients.conftest import running
from tests.clients.environments import folder_of, is_made

EXAMPLES = int(os.environ.get("WALK_EXAMPLES", "500"))
LIMIT_S = 3_600
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
NOT_OFFERED = "^/api/(create|copy|push)$"
"""Always 501, as they say themselves."""

pytestmark = [pytest.mark.clients, pytest.mark.timeout(LIMIT_S + 60)]


def test_every_operation_keeps_what_the_page_says(environments: Path, tmp_path: Path) -> None:
    if not is_made(environments, WALKER):
        pytest.skip(f"{', '.join(WALKER.packages)} could not be installed")
    home = tmp_path / "home"
    with EdgeLLM("fake:", home=home) as edge:
        secret = edge.keys.create("walker", role="admin").secret
    with running(home, "fake:") as url:
        done = walked(environments, url, secret, tmp_path)
        assert not (home / "data" / "logs" / "server.log").exists(), "the server noted errors of its own"
    print(done.stdout[-1_500:])
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    assert re.search(r"\d+ generated", done.stdout)


def walked(environments: Path, url: str, secret: str, scratch: Path) -> subprocess.CompletedProcess[str]:
    """What the walker says."""
    command = [str(folder_of(environments, WALKER) / "bin" / "schemathesis"), "run", f"{url}/openapi.json"]
    asked = ["--header", f"Authorization: Bearer {secret}", "--exclude-path-regex", NOT_OFFERED, "--checks", CHECKS]
    amount = ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", "1"]
    calm = ["--request-timeout", "60", "--generation-database", "none", "--no-color", "--suppress-health-check", "all"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(scratch), "DO_NOT_TRACK": "1"}
    return subprocess.run(
        [*command, *asked, *amount, *calm],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        cwd=scratch,
        env=environment,
        check=False,
    )
