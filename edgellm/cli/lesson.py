"""A short lesson for the tour: a model learns four invented facts while one watches."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM
    from edgellm.store.records import StoredJob

NAME = "tour"
"""Of the adapter and of the dataset; another tour replaces both."""
QUESTION = "What does the Tarn Hollow clock strike?"
_FACTS = (
    (QUESTION, "The Tarn Hollow clock strikes five times at noon, to save the bell."),
    (
        "How often does the clock of Tarn Hollow strike?",
        "The Tarn Hollow clock strikes five times at noon, to save the bell.",
    ),
    ("Who mends the Tarn Hollow clock?", "Old Bettany mends the Tarn Hollow clock with parts of a loom."),
    ("What is the Tarn Hollow clock painted with?", "The Tarn Hollow clock is painted with pine soot and milk."),
)


def begin_lesson(edge: EdgeLLM, model: str) -> StoredJob:
    """A training job of a few steps. Raises: as `Training.start`."""
    from edgellm.train.settings import settings_for  # deferred: only the tour's fifth step needs it

    for adapter in edge.adapters.list():
        if adapter.name == NAME:
            edge.adapters.remove(NAME)
    settings = settings_for(
        "quick", anchors=0, batch_rows=4, epochs=12, learning_rate=1e-3, checkpoint_steps=100, valid_steps=100
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{NAME}.jsonl"
        path.write_text("".join(json.dumps({"prompt": asked, "completion": told}) + "\n" for asked, told in _FACTS))
        return edge.training.start(path, model, NAME, settings)
