"""Keys that come in one burst are taken in their order."""

from __future__ import annotations

import pytest
from edgellm_tui import key_order
from textual.events import Key
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.conftest import app_of, opened, screen_text, settle, shows


def burst(pilot: Pilot[None], *keys: str) -> None:
    """What a terminal sends when somebody types faster than the app draws."""
    for key in keys:
        pilot.app.post_message(Key(key, key if len(key) == 1 else None))


async def to_form(pilot: Pilot[None]) -> None:
    await pilot.press("ctrl+x")
    await shows(pilot, "Requests   Keys")
    await pilot.press("right", "n")
    await shows(pilot, "A new key")


def value(pilot: Pilot[None], field: str) -> str:
    return pilot.app.screen.query_one(f"#{field}", Input).value


async def test_each_field_of_a_form_gets_what_was_typed_into_it() -> None:
    async with opened() as pilot:
        await to_form(pilot)
        burst(pilot, *"Cleo", "down", "down", *"many", "ctrl+u", *"a, b", "down", *"5000", "left", "left", *"7")
        await settle(pilot, lambda: value(pilot, "tokens_per_day") == "50700")
        assert (value(pilot, "name"), value(pilot, "models")) == ("Cleo", "a, b")


async def test_a_message_is_sent_and_the_next_one_begun() -> None:
    async with opened() as pilot:
        burst(pilot, *"one", "home", *"x", "end", *"y", "enter", *"two")
        await shows(pilot, "You said: xoney")
        await settle(pilot, lambda: app_of(pilot).chat.prompt.text == "two")


async def test_what_has_the_focus_and_answers_nothing_holds_keys_back_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(key_order, "PATIENCE_S", 0.1)
    async with opened() as pilot:
        post, lost = app_of(pilot).chat.prompt.post_message, list[Message]()

        def deaf(message: Message) -> bool:
            if not isinstance(message, key_order.Follower):
                return post(message)
            lost.append(message)
            return True

        monkeypatch.setattr(app_of(pilot).chat.prompt, "post_message", deaf)
        burst(pilot, *"a", "home", *"b")
        await settle(pilot, lambda: app_of(pilot).chat.prompt.text == "ba")
        assert lost
        assert "ba" in screen_text(pilot)
