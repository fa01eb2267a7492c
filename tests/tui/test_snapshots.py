"""The main screens, compared with pictures that people can look at in a diff."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from edgellm_tui.app import EdgeApp, make_app
from textual.pilot import Pilot

from edgellm.events import Cancelled, Finished
from edgellm.store.keys import Limits
from tests.tui.conftest import app_of, edge_of, say, screen_text, settle
from tests.tui.fakes import FakeEdge, FakePreferences, saying
from tests.tui.fakes.datasets import chat_line, dropped_line, manifest, measured, write_dataset
from tests.tui.fakes.documents import CREW, FERRIES, FOLDER, TICKET, citation, evidence, indexed, unreadable
from tests.tui.fakes.serving import request, total
from tests.tui.fakes.training import PLAN, STEPS, finished, steps_until
from tests.unit.evals.runs import finished_run

ANSWER = """Python reads a text file **safely** when it is told the encoding:

```python
from pathlib import Path

def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
```

| Format | Ending | Lines |
|---|---|---:|
| JSON lines | `.jsonl` | 12,000 |

1. Name the *codec*.
2. Handle `UnicodeDecodeError`.
"""
SIZES = [(80, 24), (200, 60)]
BEHIND = "312&#160;MB"
"""The vitals, which no dialog covers, as they stand in a picture."""
Act = Callable[[Pilot[None]], Awaitable[None]]


def scene(theme: str = "edge-dark") -> EdgeApp:
    edge = FakeEdge(saying(ANSWER, reasoning="They want the safe way."), saying("Another answer."))
    asyncio.run(_seed(edge))
    app = make_app(edge, FakePreferences(theme=theme))
    app.animation_level = "none"
    return app


async def _seed(edge: FakeEdge) -> None:
    for title in ("Plan a week in Kerala", "Why is the sky blue?", "नमस्ते"):
        await edge.sessions.talk(f"{title}\nwith every detail", model="qwen3-4b")
    for name in ("first-try", "lighthouse"):
        job = await edge.training.start("lighthouse.jsonl", "qwen3-4b", name)
        edge.jobs.rows[job.id] = replace(job, created_at=time.time())
    edge.jobs.say("j1", *steps_until(33), Cancelled())
    edge.jobs.say("j2", *steps_until(STEPS), finished("qwen3-4b", "lighthouse"))


async def chat(pilot: Pilot[None]) -> None:
    await say(pilot, "How do I read a file in Python?")


async def messages(pilot: Pilot[None]) -> None:
    await chat(pilot)
    await pilot.press("tab", "plus")
    await settle(pilot, lambda: all(part in screen_text(pilot) for part in ("▲ good", "Rated good")))


async def greeting(pilot: Pilot[None]) -> None:
    await settle(pilot)


async def menu(pilot: Pilot[None]) -> None:
    await greeting(pilot)
    await pilot.press(*"/s")
    await settle(pilot, lambda: "/sessions" in screen_text(pilot))


async def models(pilot: Pilot[None]) -> None:
    await pilot.press("f4")
    await settle(pilot, lambda: "gemma" in screen_text(pilot))
    await pilot.press("down", "down")
    await app_of(pilot).jobs.fetch("gemma-3-4b", "gemma-3-4b")
    await settle(pilot, lambda: "left" in screen_text(pilot))
    await hide_cursor(pilot)


async def search(pilot: Pilot[None]) -> None:
    await pilot.press("f3", *"sky")
    await settle(pilot, lambda: "1 found" in screen_text(pilot))
    await hide_cursor(pilot)


async def hide_cursor(pilot: Pilot[None]) -> None:
    from textual.widgets import Input

    for entry in pilot.app.screen.query(Input):
        entry.cursor_blink = False


async def explain(pilot: Pilot[None]) -> None:
    edge_of(pilot).scripts.clear()
    await pilot.press(*"/explain", "enter")
    await settle(pilot, lambda: "token 1 of 10" in screen_text(pilot))
    await pilot.press("right", "right", "right")
    await settle(pilot, lambda: "token 4 of 10" in screen_text(pilot))


async def train(pilot: Pilot[None]) -> None:
    await pilot.press("f7")
    await settle(pilot, lambda: "3 m 20 s in all" in screen_text(pilot))


async def plan(pilot: Pilot[None]) -> None:
    Path("lighthouse.jsonl").write_text("{}\n")
    await train(pilot)
    await pilot.press("n", *"lighthouse.jsonl", "enter")
    await settle(pilot, lambda: "Reading the examples" in screen_text(pilot))
    edge_of(pilot).jobs.say("j3", Finished(result=PLAN))
    await settle(pilot, lambda: "It fits" in screen_text(pilot))
    await stand_still(pilot)


async def compare(pilot: Pilot[None]) -> None:
    edge_of(pilot).scripts[:] = [saying("I do not know that museum."), saying("Ottilie **Brandt** founded it.")]
    await train(pilot)
    await pilot.press("b", *"Who founded it?", "enter")
    await settle(pilot, lambda: "museum." in screen_text(pilot) and "founded it." in screen_text(pilot))
    await hide_cursor(pilot)


async def data(pilot: Pilot[None]) -> None:
    lines = [
        chat_line(f"When does ferry {n} go?", f"At {n % 12 + 1} o'clock.\nFrom pier 2.", line=n) for n in range(1, 301)
    ]
    files = {"train": lines, "valid": lines[:15], "dropped": [dropped_line("short_answer", "'Yes.'", 7)]}
    ferries = write_dataset(Path.cwd(), "ferries", files)
    other = replace(ferries, manifest=manifest("support-answers", tokens=measured("qwen3-4b")))
    edge_of(pilot).datasets.kept = {"ferries": ferries, "support-answers": other}
    await pilot.press("f8")
    await settle(pilot, lambda: "support-answers" in screen_text(pilot) and "300 to train on" in screen_text(pilot))


async def report(pilot: Pilot[None]) -> None:
    Path("faq.jsonl").touch()
    await data(pilot)
    await pilot.press("a", *"faq", "enter")
    await settle(pilot, lambda: "951 of 1,000 rows" in screen_text(pilot))


async def rows(pilot: Pilot[None]) -> None:
    await data(pilot)
    await pilot.press("r")
    await settle(pilot, lambda: "At 2 o'clock" in screen_text(pilot))


async def documents(pilot: Pilot[None]) -> None:
    collections = edge_of(pilot).collections
    collections.updated = time.time()
    scan = unreadable(f"{FOLDER}/scan.pdf", "its pages are scanned pictures without text")
    collections.kept = {"ferries": [*FERRIES, scan], "laws": [indexed("/srv/laws/act.docx", kind="docx")]}
    await pilot.press("ctrl+f")
    await settle(pilot, lambda: "crew/rota.md" in screen_text(pilot))
    await hide_cursor(pilot)


async def sources(pilot: Pilot[None]) -> None:
    found = evidence(
        citation(1, TICKET), citation(2, "Four deckhands work in two shifts.", CREW), unsupported=((39, 53),)
    )
    checked = "A single ticket costs nine crowns [1]. Dogs may bark. There are four deckhands [2]."
    edge_of(pilot).scripts[:] = [replace(saying(checked), evidence=found)]
    await documents(pilot)
    await pilot.press("enter")
    await settle(pilot, lambda: "from ferries" in screen_text(pilot))
    await say(pilot, "What does a ticket cost?")


async def passage(pilot: Pilot[None]) -> None:
    await sources(pilot)
    await pilot.press("ctrl+g", "1")
    await settle(pilot, lambda: "▌ A single ticket" in screen_text(pilot))


async def evaluate(pilot: Pilot[None]) -> None:
    edge = edge_of(pilot)
    run, answers = finished_run()
    edge.evals.keep(replace(run, created=datetime.now(UTC).isoformat()), answers)
    job = await edge.evals.run(["/evals/ferry.toml"], on="qwen3-4b@ferry-2", against=["qwen3-4b@ferry"])
    edge.jobs.rows[job.id] = replace(job, created_at=time.time() - 200)
    edge.jobs.say(job.id, Cancelled())
    await pilot.press("f19")
    await settle(pilot, lambda: "90.0 %" in screen_text(pilot))


async def evaluation(pilot: Pilot[None]) -> None:
    await evaluate(pilot)
    await pilot.press("enter", "right")
    await settle(pilot, lambda: "1 of 8" in screen_text(pilot))


async def blind(pilot: Pilot[None]) -> None:
    await evaluate(pilot)
    await pilot.press("b")
    await settle(pilot, lambda: "1 of 40" in screen_text(pilot))


async def server(pilot: Pilot[None]) -> None:
    edge = edge_of(pilot)
    edge.server.run()
    edge.server.requests = [request("Ana"), request("build", stage="waiting", tokens=0, tokens_per_s=0.0)]
    await edge.keys.create("build", role="admin")
    await edge.keys.create("Ana", limits=Limits(tokens_per_day=100_000))
    edge.usage.tenants = [total("id-Ana", 81_000)]
    await pilot.press("ctrl+x")
    await settle(pilot, lambda: "writes" in screen_text(pilot))
    await pilot.press("right")
    await settle(pilot, lambda: "81k of 100k" in screen_text(pilot))


async def help_page(pilot: Pilot[None]) -> None:
    await greeting(pilot)
    await pilot.press("f1")
    await settle(pilot, lambda: "Everywhere" in screen_text(pilot))
    await stand_still(pilot)


async def stand_still(pilot: Pilot[None]) -> None:
    """Wait for what lies behind a dialog, which is drawn later, and not at all while nothing changes."""
    before = ""
    while (picture := pilot.app.export_screenshot()) != before or BEHIND not in picture:
        before = picture
        pilot.app.screen.refresh()
        await pilot.pause(0.15)


def started(act: Act) -> Act:
    """The scene, once the app is there."""

    async def begin(pilot: Pilot[None]) -> None:
        await settle(pilot, lambda: bool(pilot.app.screen.query("#prompt")))
        app_of(pilot).chat.prompt.cursor_blink = False
        await settle(pilot, lambda: "312 MB" in screen_text(pilot))
        await act(pilot)

    return begin


SCENES: dict[str, Act] = {
    "greeting": greeting,
    "chat": chat,
    "messages": messages,
    "menu": menu,
    "search": search,
    "models": models,
    "explain": explain,
    "train": train,
    "plan": plan,
    "compare": compare,
    "data": data,
    "report": report,
    "rows": rows,
    "documents": documents,
    "sources": sources,
    "passage": passage,
    "help": help_page,
    "server": server,
    "evaluate": evaluate,
    "evaluation": evaluation,
    "blind": blind,
}


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "200x60"])
@pytest.mark.parametrize(
    "name", ["chat", "models", "explain", "train", "data", "rows", "documents", "server", "evaluate", "blind"]
)
def test_large_and_small(name: str, size: tuple[int, int], snap_compare: Any) -> None:
    assert snap_compare(scene(), terminal_size=size, run_before=started(SCENES[name]))


@pytest.mark.parametrize(
    "name",
    ["greeting", "messages", "menu", "search", "help", "plan", "compare", "report", "sources", "passage", "evaluation"],
)
def test_small(name: str, snap_compare: Any) -> None:
    assert snap_compare(scene(), terminal_size=(80, 24), run_before=started(SCENES[name]))


@pytest.mark.parametrize("name", ["chat", "explain", "train"])
def test_light(name: str, snap_compare: Any) -> None:
    assert snap_compare(scene("edge-light"), terminal_size=(80, 24), run_before=started(SCENES[name]))


@pytest.mark.parametrize("name", ["chat", "train", "passage", "server"])
def test_no_color(name: str, snap_compare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(scene(), terminal_size=(80, 24), run_before=started(SCENES[name]))
