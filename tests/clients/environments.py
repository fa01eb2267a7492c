"""An environment for each client: a folder with its packages, made once and kept.

`python -m tests.clients.environments FOLDER [NAME...]` makes what is missing. It is the only part that needs a network.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.clients.catalogue import CLIENTS, WALKER, Client

STAMP = "installed.json"
"""Written last: which packages the folder holds."""


def folder_of(root: Path, client: Client) -> Path:
    """Where a client's environment lies."""
    return root / client.name.replace(" ", "-").replace("(", "").replace(")", "").lower()


def interpreter(root: Path, client: Client) -> Path:
    """What runs a client's program."""
    if client.is_node:
        return Path(shutil.which("node") or "node")
    return folder_of(root, client) / "bin" / "python"


def is_made(root: Path, client: Client) -> bool:
    """Whether the environment holds what the catalogue says."""
    stamp = folder_of(root, client) / STAMP
    return stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == list(client.packages)


def make(root: Path, client: Client) -> None:
    """Install a client's packages. Raises: subprocess.CalledProcessError."""
    folder = folder_of(root, client)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if client.is_node:
        (folder / "package.json").write_text('{"private": true, "type": "module"}', encoding="utf-8")
        _run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", *client.packages], folder)
    else:
        _run([sys.executable, "-m", "venv", str(folder)], folder)
        pip = [str(interpreter(root, client)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, *client.packages], folder)
    (folder / STAMP).write_text(json.dumps(client.packages), encoding="utf-8")


def _run(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, timeout=1_200)


def main(arguments: Sequence[str]) -> int:
    """Make every environment that is missing; one that cannot be made does not stop the rest. Returns the exit code."""
    root, names = Path(arguments[0]).absolute(), arguments[1:]
    failed = []
    for client in (*CLIENTS, WALKER):
        if (names and client.name not in names) or is_made(root, client):
            continue
        print(f"Installing {', '.join(client.packages)}", flush=True)
        try:
            make(root, client)
        except (OSError, subprocess.SubprocessError) as problem:
            failed.append(client.name)
            print(f"{client.name} could not be installed: {problem}", file=sys.stderr)
    if failed:
        print(f"Without an environment: {', '.join(failed)}. Their tests are skipped.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
