"""The terminal app: from the command to its first complete screen, and to the first token of an answer."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial

from benchmarks import harness
from benchmarks.report import Limit, Report
from benchmarks.terminal import READY, Terminal
from benchmarks.texts import Texts

BARE = "bare interpreter"
SIZES = {"app, 80 x 24": (80, 24), "app, 200 x 60": (200, 60)}
WORD = " elephant"
"""What the model is made to write, and nothing else on the screen says."""
LIMITS = tuple(
    limit
    for arm in SIZES
    for limit in (
        Limit(path=f"first screen ({arm})", arm=arm, metric="first screen", floor=0.6, aim=0.4),
        Limit(path=f"first token, from the command on ({arm})", arm=arm, metric="first token", floor=1.5, aim=1.0),
    )
)


def run(options: harness.Options, texts: Texts) -> Report:
    """The app is started and asked something the moment its first screen is there. Raises: MachineBusy, ArmFailed."""
    with tempfile.TemporaryDirectory() as home:
        variables = {
            "EDGELLM_HOME": home,
            "EDGELLM_DEFAULT_MODEL": str(options.model),
            "EDGELLM_SAMPLING_MAX_TOKENS": "4",
            "EDGELLM_SAMPLING_LOGIT_BIAS": f'{{ "{texts.token(WORD)}" = 100.0 }}',
        }
        cases = {arm: partial(paint, columns, rows, variables) for arm, (columns, rows) in SIZES.items()}
        measured = harness.take_turns({BARE: bare, **cases}, options)
    return Report(
        name="First paint",
        what="Seconds from the command to the whole first screen, and to the first token of an answer to a message "
        "sent at that moment; `processor` is the app's own processor time until its first screen.",
        units={"first screen": "s", "processor": "s", "first token": "s", "wall": "s"},
        arms=measured,
        limits=LIMITS,
        is_trial=options.is_meaningless,
    )


def paint(columns: int, rows: int, variables: Mapping[str, str], _round: int) -> dict[str, float]:
    """One start of the app. Raises: ArmFailed."""
    with Terminal(columns, rows, variables) as app:
        painted_s, cpu_s = app.wait_for(READY), app.cpu_s()
        app.press("Hi\r")
        return {"first screen": painted_s, "processor": cpu_s, "first token": app.wait_for(WORD.strip())}


def bare(_round: int) -> dict[str, float]:
    """A bare interpreter, from its start to its end."""
    before, began = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return {"wall": time.perf_counter() - began, "processor": cpu_s}


if __name__ == "__main__":
    sys.exit(harness.main(run))
