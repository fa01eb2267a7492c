"""The main screens, compared with pictures that people can look at in a diff."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from edgellm_tui.app import EdgeApp, make_app
from textual.pilot import Pilot

from tests.tui.conftest import app_of, edge_of, say, screen_text, settle
from tests.tui.fakes import FakeEdge, FakePreferences, saying

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


async def chat(pilot: Pilot[None]) -> None:
    await say(pilot, "How do I read a file in Python?")


async def messages(pilot: Pilot[None]) -> None:
    await chat(pilot)
    await pilot.press("tab", "plus")
    await settle(pilot, lambda: "▲ good" in screen_text(pilot))


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


async def help_page(pilot: Pilot[None]) -> None:
    await greeting(pilot)
    await pilot.press("f1")
    await settle(pilot, lambda: "Everywhere" in screen_text(pilot))
    before = ""
    while (picture := pilot.app.export_screenshot()) != before:  # what lies behind a dialog is drawn later
        before = picture
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
    "help": help_page,
}


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "200x60"])
@pytest.mark.parametrize("name", ["chat", "models", "explain"])
def test_large_and_small(name: str, size: tuple[int, int], snap_compare: Any) -> None:
    assert snap_compare(scene(), terminal_size=size, run_before=started(SCENES[name]))


@pytest.mark.parametrize("name", ["greeting", "messages", "menu", "search", "help"])
def test_small(name: str, snap_compare: Any) -> None:
    assert snap_compare(scene(), terminal_size=(80, 24), run_before=started(SCENES[name]))


@pytest.mark.parametrize("name", ["chat", "explain"])
def test_light(name: str, snap_compare: Any) -> None:
    assert snap_compare(scene("edge-light"), terminal_size=(80, 24), run_before=started(SCENES[name]))


def test_no_color(snap_compare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(scene(), terminal_size=(80, 24), run_before=started(chat))
