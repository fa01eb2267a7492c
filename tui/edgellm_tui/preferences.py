"""The user's settings that concern the app, read once and saved one by one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from edgellm.paths import Home, home_from
from edgellm.settings import Settings, load_settings, save_setting
from edgellm.types import Sampling


class StoredPreferences:
    """Settings of one home; what is saved counts at once and at the next start."""

    def __init__(self, home: Home, settings: Settings) -> None:
        self._home = home
        self._settings = settings

    @property
    def default_model(self) -> str:
        """Model of new conversations."""
        return self._settings.default_model

    @property
    def theme(self) -> str:
        """Theme name, or `auto`."""
        return self._settings.theme

    @property
    def keys(self) -> Mapping[str, str]:
        """Command id to keys."""
        return self._settings.keys

    @property
    def prompts(self) -> Mapping[str, str]:
        """Library of system prompts."""
        return self._settings.prompts

    @property
    def system_prompt(self) -> str:
        """System prompt of new conversations."""
        return self._settings.system_prompt

    @property
    def sampling(self) -> Sampling:
        """Sampling of new conversations."""
        return self._settings.sampling

    @property
    def offline(self) -> bool:
        """Whether the network is off."""
        return self._settings.offline

    @property
    def hub_endpoint(self) -> str:
        """Where models are fetched from."""
        return self._settings.hub_endpoint

    def save(self, key: str, value: str | None) -> None:
        """Write one setting into the user's file. Raises: InvalidSettings."""
        save_setting(self._home, key, value)
        name, _, entry = key.partition(".")
        if name == "prompts":
            kept = {k: v for k, v in self._settings.prompts.items() if k != entry}
            self._settings = replace(self._settings, prompts=kept if value is None else {**kept, entry: value})
        elif name == "theme" and value is not None:
            self._settings = replace(self._settings, theme=value)


def load_preferences() -> StoredPreferences:
    """The preferences of the home this process runs in. Raises: InvalidSettings."""
    home = home_from(os.environ)
    return StoredPreferences(home, load_settings(home, os.environ))
