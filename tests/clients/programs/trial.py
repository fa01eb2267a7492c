"""What every program here does: try one thing after the other, and say how it went as lines of JSON."""

from __future__ import annotations

import importlib.metadata
import json
import sys
import traceback
from collections.abc import Callable, Mapping

URL = sys.argv[1]
KEY = sys.argv[2]
QUESTION = "Name three rivers."
TOWN_SCHEMA = {
    "type": "object",
    "properties": {"town": {"type": "string", "maxLength": 20}},
    "required": ["town"],
    "additionalProperties": False,
}


def check(holds: object, what: object = "") -> None:
    """Raises: AssertionError with what was found."""
    if not holds:
        raise AssertionError(str(what))


def run(package: str, tries: Mapping[str, Callable[[], object]]) -> None:
    """Try everything; the exit code says whether all of it worked."""
    print(json.dumps({"version": importlib.metadata.version(package)}), flush=True)
    failed = 0
    for name, attempt in tries.items():
        try:
            attempt()
        except Exception as problem:
            failed += 1
            traceback.print_exc()
            print(json.dumps({"tried": name, "error": f"{type(problem).__name__}: {problem}"[:400]}), flush=True)
        else:
            print(json.dumps({"tried": name}), flush=True)
    sys.exit(1 if failed else 0)
