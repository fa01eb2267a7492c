"""The core of the engine knows no clock, thread, file or library."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import edgellm.engine

PURE = (
    *("request", "outcome", "sequence", "plan", "prefix", "slots", "hostcache", "beginnings", "memory", "waiting"),
    *("scheduler", "pace", "threads", "text", "answer", "metrics", "toolcalls", "call_syntax", "json_scanner"),
)
ALLOWED = {
    *("__future__", "bisect", "codecs", "collections", "dataclasses", "enum", "heapq", "json", "re", "statistics"),
    "typing",
}


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_import_only_pure_things(name: str) -> None:
    path = Path(edgellm.engine.__file__).with_name(f"{name}.py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for imported in names:
            top, _, rest = imported.partition(".")
            assert top in ALLOWED or top == "edgellm", f"{name} imports {imported}"
            if top == "edgellm":
                part = rest.removeprefix("engine.")
                pure = {*PURE, "backend", "config", "errors", "types"}
                assert part in pure, f"{name} imports {imported}"
