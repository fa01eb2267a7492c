"""The names that settings may hold are those of the app."""

from __future__ import annotations

from edgellm_tui.commands import COMMANDS
from textual.keys import KEY_NAME_REPLACEMENTS, Keys

from edgellm.app_names import ACTIONS, KEYS, THEMES, is_key
from tests.tui.conftest import app_of, opened


def test_every_action_with_a_key_can_be_given_another() -> None:
    assert {command.id for command in COMMANDS if command.keys} == set(ACTIONS)


def test_every_key_in_use_is_one() -> None:
    used = {key for command in COMMANDS for key in command.keys.split(",") if key}
    assert {key for key in used if not is_key(key)} == set()
    named = {key.value for key in Keys if "+" not in key.value and key.value[0] not in "<c"}
    assert named | set(KEY_NAME_REPLACEMENTS.values()) == KEYS


async def test_every_theme_can_be_named() -> None:
    async with opened() as pilot:
        assert {"auto", *app_of(pilot).available_themes} == set(THEMES)
