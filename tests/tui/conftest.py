"""How the app is started in tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from edgellm_tui.app import EdgeApp, make_app
from textual.pilot import Pilot

from tests.tui.fakes import FakeEdge, FakePreferences, Script

Start = Callable[..., AbstractAsyncContextManager[Pilot[None]]]


@asynccontextmanager
async def opened(
    *scripts: Script,
    size: tuple[int, int] = (80, 24),
    edge: FakeEdge | None = None,
    preferences: FakePreferences | None = None,
) -> AsyncIterator[Pilot[None]]:
    """The app on a scripted EdgeLLM, ready for keys."""
    app = make_app(edge or FakeEdge(*scripts), preferences or FakePreferences())
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.pause()
        yield pilot


def app_of(pilot: Pilot[None]) -> EdgeApp:
    """The app, typed."""
    assert isinstance(pilot.app, EdgeApp)
    return pilot.app


def edge_of(pilot: Pilot[None]) -> FakeEdge:
    """The scripted EdgeLLM."""
    edge = app_of(pilot).edge
    assert isinstance(edge, FakeEdge)
    return edge


async def settle(pilot: Pilot[None], until: Callable[[], bool] | None = None) -> None:
    """Wait until something holds, and the screen has caught up."""
    for _ in range(200):
        await pilot.pause(0.03)  # looking at the screen draws all of it
        if until is None or until():
            break
    else:
        raise AssertionError("It did not happen in time; the screen shows:\n" + screen_text(pilot))
    await pilot.pause(0.06)


async def say(pilot: Pilot[None], text: str) -> None:
    """Type a message, send it, and wait for the whole answer."""
    chat = app_of(pilot).chat
    chat.prompt.focus()
    before = len(chat.conversation.turns)
    chat.prompt.insert(text)
    await pilot.press("enter")
    await settle(pilot, lambda: len(chat.conversation.turns) > before and not chat.conversation.is_answering)


def screen_text(pilot: Pilot[None]) -> str:
    """Everything on screen, as text."""
    width, height = pilot.app.size
    lines = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line)[:width] for line in lines[:height])


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File pickers and exports see nothing of the repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
