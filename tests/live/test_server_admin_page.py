"""The administrator's page in a real headless browser: it renders, loads nothing else, and runs nothing."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.serving import UsageRow
from edgellm.server.admin_html import POLICY
from edgellm.server.routes import admin_page
from edgellm.settings import Settings
from edgellm.types import Usage
from tests.unit.server.serving import Served, served

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "headless_shell")
BROWSER = next((found for name in NAMES if (found := shutil.which(name))), None)
HOSTILE = "<script>document.title='taken'</script><img src=http://127.0.0.1:9/x onerror=document.title='taken'>"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason=f"there is none of {', '.join(NAMES)} here"),
]


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeLLM]:
    home = tmp_path_factory.mktemp("page")
    with EdgeLLM("fake:", home=home, settings=Settings(context_tokens=1024)) as made:
        made.audit.add("local", "document.add", HOSTILE)
        made.usage.add(UsageRow(tenant="local", model="fake:", usage=Usage(prompt_tokens=900, completion_tokens=99)))
        made.models.load("fake:")
        yield made


@pytest.fixture
def server(edge: EdgeLLM) -> Iterator[Served]:
    with served(edge) as found:
        yield found


def browse(profile: Path, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """What a browser with a fresh profile makes of an address."""
    assert BROWSER is not None
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    # Without its sandbox, which needs rights that containers and the superuser do not have; it sees our page only.
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", *quiet]
    environment = {**os.environ, "HOME": str(profile)}
    logged = ["--enable-logging=stderr", "--v=0"]
    return subprocess.run(
        [*command, *logged, *options, url], capture_output=True, text=True, timeout=100, env=environment, check=True
    )


def complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What the browser's console says: errors, and what the page's policy forbade."""
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_it_is_shown_and_nothing_in_it_runs(server: Served, tmp_path: Path) -> None:
    done = browse(tmp_path, f"{server.url}/admin", "--dump-dom")
    body = done.stdout.partition("<body>")[2]
    assert "<title>EdgeLLM</title>" in done.stdout
    assert HOSTILE in html.unescape(body)
    assert not re.search(r"<(script|img|iframe|link)\b", body)
    assert "fake:" in body
    assert "<rect " in body
    assert not complaints(done)
    asked = {route for route, _ in server.service.counters.requests}
    assert asked <= {"/admin", "other"}  # `other`: an icon that some browsers look for


def test_a_policy_that_does_not_fit_is_noticed(server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser keeps to the policy and says so: its silence about the real one means that the page fits it."""
    monkeypatch.setattr(admin_page, "POLICY", POLICY.replace("sha256-", "sha256-x"))
    assert complaints(browse(tmp_path, f"{server.url}/admin", "--dump-dom"))


def test_it_can_be_looked_at(server: Served, tmp_path: Path) -> None:
    picture = tmp_path / "admin.png"
    browse(tmp_path / "profile", f"{server.url}/admin", f"--screenshot={picture}", "--window-size=900,700")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_key_opens_it(edge: EdgeLLM, tmp_path: Path) -> None:
    secret = edge.keys.create("boss", role="admin").secret
    with served(edge) as server:
        closed = browse(tmp_path / "a", f"{server.url}/admin", "--dump-dom")
        address = server.url.replace("http://", f"http://admin:{secret}@")
        opened = browse(tmp_path / "b", f"{address}/admin", "--dump-dom")
    assert "boss" not in closed.stdout
    assert "boss" in opened.stdout
    assert secret not in opened.stdout
