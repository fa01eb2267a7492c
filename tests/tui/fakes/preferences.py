"""Settings in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgellm.types import Sampling


@dataclass
class FakePreferences:
    """Settings in memory."""

    default_model: str = "SmolLM2-135M-Instruct"
    theme: str = "edge-dark"
    keys: Mapping[str, str] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=lambda: {"Translator": "Translate into Hindi."})
    system_prompt: str = ""
    sampling: Sampling = field(default_factory=Sampling)
    offline: bool = False
    hub_endpoint: str = "https://hub.invalid"
    saved: list[tuple[str, str | None]] = field(default_factory=list)

    def save(self, key: str, value: str | None) -> None:
        self.saved.append((key, value))
