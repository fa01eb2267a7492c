"""The app on a scripted EdgeLLM in a terminal of its own: python -m tests.tui.pty_app calm|hostile|slow [FILE].

What the app stored is written to FILE when it has ended.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from edgellm_tui.app import make_app, run_here

from edgellm.errors import HubRefused
from edgellm.types import Delta, Notice, StreamEvent
from tests.tui.fakes import FakeEdge, FakePreferences, Script, card, installed, saying
from tests.tui.payloads import HOSTILE

CALM = ("plain text", "**strong** words", "[brackets]")


def scripted(texts: tuple[str, ...]) -> FakeEdge:
    """Answers, reasoning, notices, an error, titles and names made of these texts."""
    everything = " ".join(texts)
    events: list[StreamEvent] = [Notice(text=everything), Delta(reasoning=everything)]
    events += [Delta(text=character) for text in texts for character in f"{text}\n\n"]
    edge = FakeEdge(Script(events), Script([Delta(text="x")], error=HubRefused(everything, hint=everything)))
    edge.models.installed = [installed(text, 1_000_000, text, removable=True) for text in texts]
    edge.models.catalogue = [card(f"c{i}", text, good_at=text) for i, text in enumerate(texts)]
    for text in texts:
        session = asyncio.run(edge.sessions.create(title=text, model=text))
        edge.sessions.append(session.id, "user", f"needle {text}", None)
    return edge


def slow() -> FakeEdge:
    """An answer that takes minutes."""
    return FakeEdge(saying("word " * 5_000, pieces=5_000, pause_s=0.05))


def main(scenario: str, file: str | None = None) -> int:
    """Run the app to its end."""
    edge = slow() if scenario == "slow" else scripted(HOSTILE if scenario == "hostile" else CALM)
    exit_code = run_here(make_app(edge, FakePreferences()))
    if file:
        stored = edge.sessions.stored.values()
        Path(file).write_text("".join(f"{m.role} {m.finish_reason} {m.content[:9]}\n" for m in stored))
    return exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
