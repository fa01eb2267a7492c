"""EdgeLLM's own light and dark theme."""

from __future__ import annotations

from collections.abc import Mapping

from textual.theme import Theme

DARK = Theme(
    name="edge-dark",
    primary="#7AA2F7",
    secondary="#9ECE9A",
    accent="#E0AF68",
    foreground="#D5D9E5",
    background="#16181D",
    surface="#1E2128",
    panel="#262A33",
    success="#8FC58A",
    warning="#E0AF68",
    error="#E8767F",
    dark=True,
    variables={"block-cursor-text-style": "none", "input-selection-background": "#7AA2F7 30%", "border": "#3A4150"},
)
LIGHT = Theme(
    name="edge-light",
    primary="#2F5FC4",
    secondary="#2E7D4F",
    accent="#A85F00",
    foreground="#22262E",
    background="#FAFAF8",
    surface="#F0F0EC",
    panel="#E6E6E1",
    success="#2E7D4F",
    warning="#A85F00",
    error="#B3303C",
    dark=False,
    variables={"block-cursor-text-style": "none", "input-selection-background": "#2F5FC4 25%", "border": "#C4C4BC"},
)


def automatic(environment: Mapping[str, str]) -> str:
    """The theme that suits the terminal: light when `COLORFGBG` names a light background, dark otherwise."""
    background = environment.get("COLORFGBG", "").rpartition(";")[2]
    return LIGHT.name if background in ("7", "15") else DARK.name
