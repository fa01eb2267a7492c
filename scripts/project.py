"""What pyproject.toml says, for the scripts."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def project() -> dict[str, Any]:
    """The `[project]` table."""
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def extras() -> dict[str, list[str]]:
    """Every extra and its requirements."""
    found: dict[str, list[str]] = project()["optional-dependencies"]
    return found


def llama_version() -> str:
    """The pinned version of llama-cpp-python."""
    return next(str(text).partition("==")[2] for text in project()["dependencies"] if "llama-cpp-python==" in text)
