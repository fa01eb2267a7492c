"""With NO_COLOR: no colour is left, and what colours say is said otherwise."""

from __future__ import annotations

import pytest
from edgellm_tui.plain import plain
from edgellm_tui.themes import DARK
from textual.pilot import Pilot
from textual.style import Style

from tests.tui.conftest import app_of, opened, say, screen_text, settle
from tests.tui.fakes import FakePreferences, saying

VARIABLES = DARK.to_color_system().generate()


def colours(pilot: Pilot[None]) -> set[str]:
    """The colours on screen."""
    strips = pilot.app.screen._compositor.render_strips()
    styles = [segment.style for strip in strips for segment in strip if segment.style]
    return {str(colour) for style in styles for colour in (style.color, style.bgcolor) if colour}


def reversed_text(pilot: Pilot[None]) -> str:
    """What is shown with front and back exchanged."""
    strips = pilot.app.screen._compositor.render_strips()
    return "".join(segment.text for strip in strips for segment in strip if segment.style and segment.style.reverse)


@pytest.fixture(autouse=True)
def _no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.mark.parametrize(
    ("colours", "shown"),
    [
        ("$foreground on $background", "none"),
        ("$foreground on $surface", "none"),
        ("$foreground 55% on $background", "dim"),
        ("$primary 80% on $background", "none"),
        ("$foreground 25% on $background", "dim"),
        ("$foreground on $primary 22%", "reverse"),
        ("$foreground on $success 35%", "none"),
        ("$foreground on $warning 30%", "underline"),
        ("$foreground on $error 35%", "reverse"),
        ("bold $background on $foreground", "bold reverse"),
    ],
)
def test_what_a_colour_says_is_said_by_an_attribute(colours: str, shown: str) -> None:
    style = (Style.parse("on $background", VARIABLES) + Style.parse(colours, VARIABLES)).rich_style
    assert str(plain(style)) == shown


def test_what_is_clicked_stays() -> None:
    style = Style.from_meta({"@click": "app.help"}) + Style.parse("red")
    assert plain(style.rich_style).meta == {"@click": "app.help"}


@pytest.mark.parametrize("keys", [["f4"], ["ctrl+t"], ["f7"], ["f8"], ["f12"], ["f1"], ["ctrl+p"], ["tab"], ["f6"]])
async def test_no_screen_has_a_colour(keys: list[str]) -> None:
    async with opened(saying("A **word** and `code`.")) as pilot:
        await say(pilot, "q")
        await pilot.press(*keys)
        await settle(pilot)
        assert colours(pilot) == set()


async def test_an_empty_variable_means_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    async with opened() as pilot:
        assert len(colours(pilot)) > 3


async def test_the_chosen_row_is_reversed() -> None:
    async with opened() as pilot:
        await pilot.press("f4")
        await settle(pilot, lambda: "qwen3-4b" in screen_text(pilot))
        await pilot.press("down")
        await settle(pilot)
        assert "qwen3-4b" in reversed_text(pilot)
        assert "SmolLM2" not in reversed_text(pilot)


async def test_there_is_no_theme_to_choose() -> None:
    async with opened(preferences=FakePreferences(theme="edge-light")) as pilot:
        await app_of(pilot).run_action("app.choose_theme")
        await settle(pilot, lambda: "NO_COLOR is set" in screen_text(pilot))
        assert pilot.app.theme == "edge-dark"
