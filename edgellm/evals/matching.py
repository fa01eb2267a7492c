"""Regular expressions of a suite on answers of a model, in a child process with a limit of time.

Python's `re` can backtrack for years on a few dozen characters, holds the interpreter meanwhile and cannot be
interrupted. The child may take a second of processor time; beyond that the answer counts as not matching.
"""

from __future__ import annotations

import re
import subprocess
import sys

LIMIT_S = 1
WALL_S = 20.0
"""For a busy machine: what ends the child is its processor time."""
LONGEST = 100_000
"""Characters of an answer that are looked at."""
_CHILD = f"""
import re, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, ({LIMIT_S}, {LIMIT_S}))
pattern, _, text = sys.stdin.buffer.read().decode("utf-8", "surrogatepass").partition("\\0")
sys.exit(3 if re.search(pattern, text) else 4)
"""
_FOUND, _NOT_FOUND = 3, 4


class TooSlow(Exception):
    """The pattern took longer than it may."""


def pattern_problem(pattern: str) -> str:
    """What is wrong with a pattern; empty: nothing."""
    if "\0" in pattern:
        return "it holds a NUL"
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    return ""


def is_found(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text. Raises: TooSlow."""
    sent = f"{pattern}\0{text[:LONGEST]}".encode("utf-8", "surrogatepass")
    command = [sys.executable, "-I", "-S", "-c", _CHILD]
    try:
        done = subprocess.run(command, input=sent, capture_output=True, timeout=WALL_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise TooSlow(pattern) from error
    if done.returncode not in (_FOUND, _NOT_FOUND):
        raise TooSlow(pattern)
    return done.returncode == _FOUND
