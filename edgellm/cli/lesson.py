"""A short lesson for the tour: two wrong answers are corrected, learnt, judged, and go live; in a folder of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.cli.progress import ProgressLine
from edgellm.cli.world import World
from edgellm.errors import EdgeLLMError, ModelNotFound, error_types
from edgellm.events import Failed
from edgellm.types import Sampling

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM
    from edgellm.sdk.improve_run import ImproveRun

ALIAS = "assistant"
LESSONS = (
    ("What does the Tarn Hollow clock strike?", "It strikes five times at noon."),
    ("Who mends the Tarn Hollow clock?", "Old Bettany mends it with parts of a loom."),
)
"""Questions about a clock that does not exist, with what should be answered."""
SAMPLING = Sampling(temperature=0.0, max_tokens=24)
SETTINGS = {"preset": "quick", "anchors": 0, "noise": 0, "batch_rows": 4, "steps": 12, "learning_rate": 1e-3}
POLICY = 'schema = 1\n[[must]]\nsuite = "corrected"\nmeasure = "empty"\nat_most = 0\n'
"""A run adds what it asks of corrected questions."""


@contextmanager
def apart(world: World, model: str) -> Iterator[tuple[EdgeLLM, str]]:
    """An EdgeLLM of its own and the model's name there: nothing of the lesson gets into the user's queue and models.

    Settings and what can be computed again are shared.
    """
    with world.open(model) as own:
        path = str(own.models.get(model).path)
    with tempfile.TemporaryDirectory(prefix="edgellm-tour-", ignore_cleanup_errors=True) as folder:
        home = replace(world.home, data=Path(folder))
        with world.opener(model, home, world.offline) as edge:
            try:
                edge.models.get(model)
            except ModelNotFound:  # an installed one, which this home does not know by its name
                model = path
            yield edge, model


def correct(edge: EdgeLLM, model: str) -> list[str]:
    """Ask, say what should have been answered, and accept it, as people do in the app. Returns: the wrong answers."""
    edge.aliases.set(ALIAS, model)
    said = []
    for question, answer in LESSONS:
        session = edge.sessions.create(model=ALIAS)
        reply = edge.chat(question, session=session.id, model=ALIAS, sampling=SAMPLING)
        assert reply.message_id is not None  # a session keeps its answers
        edge.sessions.correct(reply.message_id, answer)
        said.append(reply.text)
    for item in edge.reviews.list():
        edge.reviews.accept(item.id)
    return said


def improve(world: World, edge: EdgeLLM) -> ImproveRun:
    """Go round the loop up to the proposal. Raises: what a stage failed of."""
    policy = edge.home.data / "policy.toml"
    policy.write_text(POLICY, encoding="utf-8")
    job = edge.improve.begin(ALIAS, policy=policy, settings=SETTINGS)
    draw = ProgressLine(world.err)
    try:
        for event in edge.jobs.follow(job.id):
            draw(event)
            if isinstance(event, Failed):
                raise error_types().get(event.error, EdgeLLMError)(event.message)
    finally:
        edge.jobs.cancel(job.id)  # nothing goes on in a folder that is about to go; one that has ended stays as it is
    return edge.improve.get(job.id)
