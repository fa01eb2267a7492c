"""What the last set-up was made for, so that the next one knows there is nothing to do."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

NAME = "edgellm-setup.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Everything the installed state depends on."""

    project: bytes
    constraints: bytes
    root: str
    python: str
    features: tuple[str, ...]
    build: tuple[str, ...]
    extras: frozenset[str]

    @property
    def fingerprint(self) -> str:
        """Changes when an installed environment no longer serves, extras aside."""
        parts = (self.project, self.constraints, self.root, self.python, self.features, self.build)
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def is_current(venv: Path, wanted: Wanted) -> bool:
    """Whether the environment in `venv` is already what is wanted."""
    found = _read(venv)
    installed = (venv / "bin" / "edgellm").exists()
    return installed and found.get("fingerprint") == wanted.fingerprint and wanted.extras <= read_extras(venv)


def read_extras(venv: Path) -> frozenset[str]:
    """Extras installed there before; they are kept when more are added."""
    extras = _read(venv).get("extras")
    return frozenset(extras if isinstance(extras, list) else ())


def write_stamp(venv: Path, wanted: Wanted) -> None:
    """Note that `venv` is now as wanted."""
    content = {"fingerprint": wanted.fingerprint, "extras": sorted(wanted.extras)}
    (venv / NAME).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _read(venv: Path) -> dict[str, object]:
    try:
        content = json.loads((venv / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # never set up, or interrupted: do it again
    return content if isinstance(content, dict) else {}
