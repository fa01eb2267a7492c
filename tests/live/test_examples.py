"""Every example runs as its reader would run it, and says what it promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.live, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[2] / "examples"
SAYS = {
    "ask.py": r"\w+.*\n\d+ tokens, first after \d+\.\d\d s",
    "many.py": r"(?s)river +\w+.*train +\w+.*\d+ tokens a second together",
    "remember.py": r"[1-9]\d* of \d+ prompt tokens were not computed again",
    "stream.py": r"\[(cancelled|stop)\]",
    "structured.py": r"'city': .*'population': \d+",
}


def test_every_example_is_known_and_listed() -> None:
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert names == SAYS.keys()
    assert set(re.findall(r"^\| `(\w+\.py)`", (EXAMPLES / "README.md").read_text(), re.MULTILINE)) == names


@pytest.mark.parametrize("name", SAYS)
def test_an_example_runs(name: str) -> None:
    done = subprocess.run([sys.executable, EXAMPLES / name], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(SAYS[name], done.stdout), done.stdout
