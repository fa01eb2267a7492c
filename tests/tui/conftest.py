"""How the app is started in tests."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from edgellm_tui.app import EdgeApp, make_app
from textual.pilot import Pilot

from tests.tui.fakes import FakeEdge, FakePreferences, Script

PATIENCE_S = 30.0
LOOK_S = 0.002
"""How long Textual's pilot looks whether the app is idle, after every key; its own 0.02 s are most of a test's time."""
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
    """Wait until something holds and the screen stands still."""
    end, before = time.monotonic() + PATIENCE_S, ""
    while not (until is None or until()) or app_of(pilot).chat.transcript.is_behind or screen_text(pilot) != before:
        if time.monotonic() > end:
            raise AssertionError("It did not happen in time; the screen shows:\n" + screen_text(pilot))
        before = screen_text(pilot)
        await pilot.pause(0.02)


async def shows(pilot: Pilot[None], *parts: str) -> None:
    """Wait until the screen shows all of it."""
    await settle(pilot, lambda: all(part in screen_text(pilot) for part in parts))


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
    """File pickers and exports see nothing of the repository; the pilot waits no longer than it must, reads at once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("edgellm_tui.screens.first_look.FIRST_LOOK_S", 0.0)
    monkeypatch.setattr("textual._wait.SLEEP_GRANULARITY", LOOK_S)
    monkeypatch.setattr("textual._wait.SLEEP_IDLE", LOOK_S / 2)
