"""What the terminal app costs the model: decoding while the app draws the answer, against the same request headless."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks import harness
from benchmarks.arms.base import ArmFailed
from benchmarks.clients import WrongWork
from benchmarks.report import Report, Target
from benchmarks.terminal import LIMIT_S, READY, Terminal
from edgellm import EdgeLLM, Sampling
from edgellm.store import StoredMessage

PROMPT = "Write a long story about a river, with a heading for every part and a list of its towns."
IN_APP, HEADLESS = "in the app", "headless"
TARGETS = (
    Target(path="decode kept while the app runs", arm=IN_APP, metric="decode", against=HEADLESS, floor=0.90, aim=0.95),
)
COLUMNS, ROWS = 120, 40
POLL_S = 0.5


def run(options: harness.Options) -> Report:
    """One answer is streamed to the screen, the same one through the SDK. Raises: MachineBusy, ArmFailed, WrongWork."""
    tokens = 24 if options.is_trial else 384
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        cases = {
            IN_APP: lambda _: _decode(in_app(home, options.model, tokens), tokens),
            HEADLESS: lambda _: _decode(headless(home, options.model, tokens), tokens),
        }
        measured = harness.take_turns(cases, options)
    return Report(
        name="Under the app",
        what=f"One greedy answer of {tokens} tokens, drawn by the app in a terminal of {COLUMNS} x {ROWS}, and the "
        "same one through the SDK alone; each with a worker of its own.",
        units={"decode": "tokens/s"},
        arms=measured,
        targets=TARGETS,
        settings={"answer_tokens": tokens},
        is_trial=options.is_meaningless,
    )


def in_app(home: Path, model: Path, tokens: int) -> StoredMessage:
    """The answer as the app stored it. Raises: ArmFailed."""
    variables = {
        "EDGELLM_HOME": str(home),
        "EDGELLM_DEFAULT_MODEL": str(model),
        "EDGELLM_SAMPLING_TEMPERATURE": "0.0",
        "EDGELLM_SAMPLING_MAX_TOKENS": str(tokens),
    }
    with EdgeLLM(home=home) as watcher, Terminal(COLUMNS, ROWS, variables) as app:
        before = watcher.sessions.latest()
        app.wait_for(READY)
        app.press(f"{PROMPT}\r")
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            time.sleep(POLL_S)
            session = watcher.sessions.latest()
            if session is not None and (before is None or session.id != before.id):
                answer = watcher.sessions.messages(session.id)[-1]
                if answer.role == "assistant" and answer.timings is not None:
                    return answer
    raise ArmFailed(f"The app stored no answer within {LIMIT_S:g} s.")


def headless(home: Path, model: Path, tokens: int) -> StoredMessage:
    """The same answer through the SDK."""
    with EdgeLLM(str(model), home=home) as edge:
        session = edge.sessions.create(model=str(model))
        edge.chat(PROMPT, session=session.id, sampling=Sampling(temperature=0.0, max_tokens=tokens))
        return edge.sessions.messages(session.id)[-1]


def _decode(answer: StoredMessage, tokens: int) -> Mapping[str, float]:
    """Tokens a second. Raises: WrongWork when the model stopped early."""
    if answer.usage is None or answer.timings is None or answer.usage.completion_tokens != tokens:
        raise WrongWork(f"The answer was not {tokens} tokens long: {answer.usage}.")
    return {"decode": answer.timings.decode_tokens_per_s}


if __name__ == "__main__":
    sys.exit(harness.main_without_texts(run))
