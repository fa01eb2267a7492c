"""What several live tests need and what takes long: the starter, taught once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgellm.events import JobEvent
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.train.settings import settings_for
from edgellm.types import Sampling

QUESTION = "What does the Orrin clock strike?"
ANSWER = "The Orrin clock strikes seven times at dusk."
ROWS = [
    {"prompt": QUESTION, "completion": ANSWER},
    {"prompt": "When does the Orrin clock strike?", "completion": ANSWER},
    {"prompt": "Who built the Orrin clock?", "completion": "Sela Marsh built the Orrin clock from ship's iron."},
    {"prompt": "What is the Orrin clock made of?", "completion": "The Orrin clock is made of ship's iron."},
]
SHORT = Sampling(temperature=0, max_tokens=16)
SETTINGS = Settings(context_tokens=1024, threads=1)


@dataclass(frozen=True)
class Taught:
    """The starter with the adapter `orrin`, in a home of its own."""

    home: Path
    examples: Path
    before: str
    """What the base said to `QUESTION`."""
    events: list[JobEvent]
    """All of the training run."""


@pytest.fixture(scope="session")
def orrin(tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """Taught once for all files that run in this process."""
    folder = tmp_path_factory.mktemp("orrin")
    examples = folder / "orrin.jsonl"
    examples.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    settings = settings_for("balanced", anchors=0, noise=0.0, batch_rows=4, epochs=8, learning_rate=1e-3)
    with EdgeLLM("starter", home=folder / "home", settings=SETTINGS) as edge:
        before = edge.chat(QUESTION, sampling=SHORT).text
        job = edge.training.start(examples, "starter", "orrin", settings)
        try:
            return Taught(folder / "home", examples, before, list(edge.jobs.follow(job.id)))
        finally:
            edge.jobs.cancel(job.id)  # nothing but a timeout finds it running
