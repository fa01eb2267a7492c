"""The pictures in the documentation, taken of the real app at work: python -m scripts.pictures [NAME ...]."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from edgellm_tui.app import make_app
from edgellm_tui.late import LateEdge
from edgellm_tui.preferences import load_preferences
from textual.pilot import Pilot

from edgellm.sdk.facade import EdgeLLM
from edgellm.train.settings import settings_for
from edgellm.types import Sampling
from scripts.project import ROOT

PICTURES = ROOT / "docs" / "pictures"
EXAMPLES = ROOT / "examples" / "lighthouse" / "train.jsonl"
HANDBOOK = ROOT / "examples" / "ferry" / "handbook.md"
SIZE = (100, 30)
PATIENCE_S = 120.0
QUESTION = "Write a Python function that adds two numbers."
ALIAS = "assistant"
CORRECTIONS, OPEN = 8, 2
"""Answers that are corrected, and how many of them still wait for a decision; eight questions can show `better`."""
STEPS = 24
POLICY = 'schema = 1\n[[must]]\nsuite = "refusal"\nchange = "not worse"\n'
Scene = Callable[[Pilot[None]], Awaitable[None]]


async def chat(pilot: Pilot[None]) -> None:
    """An answer with a block of code."""
    await pilot.press(*QUESTION, "enter")
    await until(pilot, lambda shown: "tok/s" in shown and "```" not in shown and "def " in shown)


async def explain(pilot: Pilot[None]) -> None:
    """How it was written, some tokens in."""
    await pilot.press(*"/explain", "enter")
    await until(pilot, lambda shown: "entropy" in shown.lower())
    await pilot.press(*["right"] * 5)


async def models(pilot: Pilot[None]) -> None:
    """What is here, and what would fit."""
    await pilot.press("escape", "f4")
    await until(pilot, lambda shown: "smollm2-360m" in shown)
    await pilot.press("down", "down", "down")


async def data(pilot: Pilot[None]) -> None:
    """A dataset."""
    await pilot.press("f8")
    await until(pilot, lambda shown: "lighthouse" in shown and "to train on" in shown)


async def train(pilot: Pilot[None]) -> None:
    """A run that has ended."""
    await pilot.press("f7")
    await until(pilot, lambda shown: "learnt" in shown and "asked" in shown)


async def documents(pilot: Pilot[None]) -> None:
    """An answer from a collection, and the page that its source stands on."""
    await pilot.press("f2")
    await pilot.press(*"/new", "enter", *"/docs ferry", "enter")
    await until(pilot, lambda shown: "from ferry" in shown)
    await pilot.press(*"What does a dog pay on the ferry?", "enter")
    await until(pilot, lambda shown: "handbook.md" in shown)
    await pilot.press("ctrl+g")
    await until(pilot, lambda shown: "dogs pay 1 crown" in shown and "Timetable" in shown)


async def review(pilot: Pilot[None]) -> None:
    """A correction that waits for a decision."""
    await pilot.press("shift+f8")
    await until(pilot, lambda shown: "Marrow" in shown)


async def improve(pilot: Pilot[None]) -> None:
    """The versions that came of corrections, and the stages of the last one."""
    await pilot.press("shift+f4")
    await until(pilot, lambda shown: f"{ALIAS}-v1" in shown and "better" in shown)


async def evaluate(pilot: Pilot[None]) -> None:
    """What the new version was asked before it went live."""
    await pilot.press("shift+f7")
    await until(pilot, lambda shown: "corrected" in shown and "better" in shown)


SCENES: dict[str, Scene] = {
    "chat": chat,
    "explain": explain,
    "models": models,
    "data": data,
    "train": train,
    "documents": documents,
    "review": review,
    "improve": improve,
    "evaluate": evaluate,
}


async def until(pilot: Pilot[None], holds: Callable[[str], bool]) -> None:
    """Wait until the screen shows something, and then until it stands still. Raises: TimeoutError."""
    end, before = time.monotonic() + PATIENCE_S, ""
    while not holds(shown := screen_text(pilot)) or shown != before:
        if time.monotonic() > end:
            raise TimeoutError(f"The screen still shows:\n{shown}")
        before = shown
        await pilot.pause(0.5)


def screen_text(pilot: Pilot[None]) -> str:
    """The screen's lines."""
    lines = pilot.app.screen._compositor.render_strips()
    return "\n".join(strip.text for strip in lines)


def teach(folder: Path) -> None:
    """A collection, a dataset, a short run, and a version made of corrections; the examples lie in `folder`.

    The pages name a file by its whole path, and the place of this checkout is nobody's business.
    """
    examples = folder / EXAMPLES.name
    shutil.copyfile(EXAMPLES, examples)
    with EdgeLLM() as edge:
        print(list(edge.jobs.follow(edge.documents("ferry").add([HANDBOOK]).id))[-1], file=sys.stderr)
        job = edge.training.start(examples, "starter", "lighthouse", settings_for("quick"))
        print(list(edge.jobs.follow(job.id))[-1], file=sys.stderr)
        correct(edge)


def correct(edge: EdgeLLM) -> None:
    """Correct answers of the starter, accept most corrections, and promote the version that learnt them."""
    edge.aliases.set(ALIAS, "starter")
    rows = [json.loads(line) for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]
    for row in rows[: CORRECTIONS + OPEN]:
        session = edge.sessions.create(model=ALIAS)
        reply = edge.chat(row["prompt"], session=session.id, sampling=Sampling(temperature=0.0, max_tokens=24))
        assert reply.message_id is not None
        edge.sessions.correct(reply.message_id, row["completion"])
    for item in edge.reviews.list(limit=100)[OPEN:]:
        edge.reviews.accept(item.id)
    policy = edge.home.data / "policy.toml"
    policy.write_text(POLICY, encoding="utf-8")
    run = edge.improve.begin(ALIAS, policy=policy, settings={"steps": STEPS})
    print(list(edge.jobs.follow(run.id))[-1], file=sys.stderr)
    edge.improve.promote(run.id)


async def take(names: Sequence[str]) -> None:
    """These pictures, one scene after the other."""
    app = make_app(LateEdge(), load_preferences())
    async with app.run_test(size=SIZE) as pilot:
        for name in names:
            await SCENES[name](pilot)
            (PICTURES / f"{name}.svg").write_text(app.export_screenshot(title="EdgeLLM"), encoding="utf-8")
            print(f"docs/pictures/{name}.svg", file=sys.stderr)


def main() -> int:
    """Take the pictures that are named, or all. Returns the exit code."""
    names = sys.argv[1:] or list(SCENES)
    if unknown := set(names) - set(SCENES):
        print(f"There is no picture {', '.join(sorted(unknown))}; there are {', '.join(SCENES)}.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGELLM_HOME"] = os.path.join(folder, "home")
        os.environ["COLORTERM"] = "truecolor"
        os.environ["EDGELLM_SAMPLING_TEMPERATURE"] = "0"  # the same answers whenever they are taken
        teach(Path(folder))
        asyncio.run(take(names))
    return 0


if __name__ == "__main__":
    sys.exit(main())
