"""The app on a scripted EdgeLLM in a terminal of its own: python -m tests.tui.pty_app calm|hostile."""

from __future__ import annotations

import asyncio
import sys

from edgellm_tui.app import make_app, run_here

from edgellm.errors import HubRefused
from edgellm.types import Delta, Notice, StreamEvent
from tests.tui.fakes import FakeEdge, FakePreferences, Script, card, installed
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


if __name__ == "__main__":
    sys.exit(run_here(make_app(scripted(HOSTILE if sys.argv[1] == "hostile" else CALM), FakePreferences())))
