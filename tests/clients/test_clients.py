"""Each client package does what its users do with it, against `edgellm serve` with the starter model."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.clients.catalogue import CLIENTS, PROGRAMS, Client
from tests.clients.conftest import Address, Proof
from tests.clients.environments import folder_of, interpreter, is_made

LIMIT_S = 1_200

pytestmark = [pytest.mark.clients, pytest.mark.timeout(LIMIT_S + 60)]


def environment_of(folder: Path, scratch: Path) -> dict[str, str]:
    """What a program gets: its packages, an empty home, and no way out by mistake (a proxy that nobody serves)."""
    nowhere = "http://127.0.0.1:9"
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(scratch),
        "NODE_PATH": str(folder / "node_modules"),
        "PYTHONPATH": str(PROGRAMS),
        "HTTPS_PROXY": nowhere,
        "HTTP_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1,localhost",
        "HF_HUB_OFFLINE": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
        "DO_NOT_TRACK": "1",
    }


def run(client: Client, root: Path, scratch: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A client's program with the interpreter of its environment."""
    folder = folder_of(root, client)
    program = PROGRAMS / client.program
    if client.is_node:  # Node looks for packages beside the program, not beside the current folder
        for each in PROGRAMS.glob("*.mjs"):
            (folder / each.name).write_text(each.read_text(encoding="utf-8"), encoding="utf-8")
        program = folder / client.program
    return subprocess.run(
        [str(interpreter(root, client)), str(program), *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        cwd=scratch,
        env=environment_of(folder, scratch),
        check=False,
    )


@pytest.mark.parametrize("client", CLIENTS, ids=lambda each: each.name)
def test_a_client(client: Client, address: Address, environments: Path, proofs: list[Proof], tmp_path: Path) -> None:
    if not is_made(environments, client):
        pytest.skip(f"{', '.join(client.packages)} could not be installed")
    done = run(client, environments, tmp_path, address.url, address.key)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"')]
    assert lines, done.stdout[-2_000:] + done.stderr[-2_000:]
    failed = tuple(f"{line['tried']}: {line['error']}"[:300] for line in lines[1:] if "error" in line)
    proved = tuple(line["tried"] for line in lines[1:] if "error" not in line)
    proofs.append(Proof(client, lines[0]["version"], proved, failed))
    assert proved
    assert not failed
    assert done.returncode == 0, done.stderr[-2_000:]
