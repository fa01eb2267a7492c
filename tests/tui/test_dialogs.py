"""Dialogs, the palette and the keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from edgellm_tui.screens.dialog import AskLine, AskText, Confirm, Dialog, Pick, Row
from edgellm_tui.screens.help import HelpScreen
from edgellm_tui.screens.sampling import parse, shown
from textual.content import Content
from textual.events import Key
from textual.screen import Screen
from textual.widgets import Input

from tests.tui.conftest import app_of, edge_of, opened, say, screen_text, settle
from tests.tui.fakes import FakeEdge, FakePreferences, saying

KEYS_NOTE = (
    "Keys can be changed: table [keys] of the settings file, by the names of commands (page.chat, prompt.send, ...)."
)


async def test_sampling_panel_explains_checks_and_applies() -> None:
    async with opened() as pilot:
        await pilot.press("f12")
        await settle(pilot, lambda: "temperature" in screen_text(pilot))
        assert "0 takes the most probable token" in screen_text(pilot)
        field = pilot.app.screen.query_one("#knob-temperature", Input)
        field.value = "9"
        await pilot.press("enter")
        await settle(pilot, lambda: "temperature takes a number from 0 to 5" in screen_text(pilot))
        field.value = "0"
        await pilot.press("enter")
        await settle(pilot, lambda: app_of(pilot).screen is app_of(pilot).frame)
        await say(pilot, "q")
        assert edge_of(pilot).asked[-1]["sampling"].temperature == 0


@pytest.mark.parametrize("value", [0.7, 1.0, 0.12345678, 4_294_967_294, 1_000_000, None])
def test_a_shown_knob_can_be_taken_back(value: float | int | None) -> None:
    field = "seed" if value is None or value > 5 else "temperature"
    assert parse(field, shown(value)) == value


@pytest.mark.parametrize(("field", "text"), [("temperature", "nan"), ("top_p", "0"), ("seed", "1.5"), ("top_k", "")])
def test_a_knob_takes_what_the_engine_takes(field: str, text: str) -> None:
    with pytest.raises(ValueError, match="number from"):
        parse(field, text)


async def test_a_system_prompt_comes_from_the_library() -> None:
    async with opened() as pilot:
        await pilot.press("ctrl+l")
        await settle(pilot, lambda: "Translator" in screen_text(pilot))
        await pilot.press(*"transl", "enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.system == "Translate into Hindi.")


async def test_a_new_system_prompt_can_be_kept() -> None:
    preferences = FakePreferences()
    async with opened(preferences=preferences) as pilot:
        await pilot.press("ctrl+l")
        await settle(pilot, lambda: "Write or edit" in screen_text(pilot))
        await pilot.press("up", "enter")
        await settle(pilot, lambda: bool(pilot.app.screen.query("#dialog-text")))
        await pilot.press(*"Be kind", "ctrl+s")
        await settle(pilot, lambda: "Keep it in the library" in screen_text(pilot))
        await pilot.press(*"Kind", "enter")
        await settle(pilot, lambda: ("prompts.Kind", "Be kind") in preferences.saved)


async def test_a_theme_is_previewed_taken_back_and_kept() -> None:
    preferences = FakePreferences()
    async with opened(preferences=preferences) as pilot:
        await pilot.press(*"/theme", "enter")
        await settle(pilot, lambda: "auto: as the terminal" in screen_text(pilot))
        await pilot.press(*"nord", "down", "up")
        await settle(pilot, lambda: pilot.app.theme == "nord")
        await pilot.press("escape")
        await settle(pilot, lambda: pilot.app.theme == "edge-dark")
        assert preferences.saved == []
        await pilot.press(*"/theme edge-light", "enter")
        await settle(pilot, lambda: preferences.saved == [("theme", "edge-light")])
        assert pilot.app.theme == "edge-light"


async def test_help_and_palette_come_from_the_registry() -> None:
    async with opened(size=(120, 50)) as pilot:
        await pilot.press("f1")
        await settle(pilot, lambda: "Keys and commands" in screen_text(pilot))
        assert "Everywhere" in screen_text(pilot)
        await pilot.press("f1")
        await settle(pilot, lambda: app_of(pilot).screen is app_of(pilot).frame)
        await pilot.press("ctrl+p")
        await settle(pilot, lambda: bool(pilot.app.screen.query("Input")))
        await pilot.press(*"sampling")
        await settle(pilot, lambda: "Sampling: temperature" in screen_text(pilot))
        await pilot.press("enter")
        await settle(pilot, lambda: "How the next token is chosen" in screen_text(pilot))


async def test_keys_can_be_rebound() -> None:
    preferences = FakePreferences(keys={"chat.new": "ctrl+g", "prompt.send": "ctrl+e", "nonsense": "x"})
    async with opened(saying("a"), preferences=preferences) as pilot:
        await pilot.press("q", "enter", "r", "ctrl+e")
        await settle(pilot, lambda: bool(edge_of(pilot).asked))
        assert edge_of(pilot).asked[0]["prompt"] == "q\nr"
        await settle(pilot, lambda: not app_of(pilot).chat.conversation.is_answering)
        await pilot.press("ctrl+g")
        await settle(pilot, lambda: not app_of(pilot).chat.conversation.turns)


async def test_the_store_is_closed_with_the_app() -> None:
    edge = FakeEdge()
    async with opened(edge=edge):
        pass
    assert edge.is_closed


async def test_letters_typed_while_a_dialog_opens_are_its_own() -> None:
    async with opened() as pilot:
        app_of(pilot).push_screen(AskLine("Title"))
        for letter in "quick":
            app_of(pilot).post_message(Key(letter, letter))
        await settle(pilot, lambda: bool(pilot.app.screen.query("#dialog-line")))
        await settle(pilot, lambda: pilot.app.screen.query_one(Input).value == "quick")


async def test_a_key_with_priority_does_not_overtake_the_letters_before_it() -> None:
    async with opened() as pilot:
        chosen: list[str | None] = []
        app = app_of(pilot)
        for dialog, last in ((AskText("Text"), "ctrl+s"), (Pick("Pick", ROWS), "down")):
            app.push_screen(dialog, chosen.append)
            await settle(pilot, lambda shown=dialog: shown.focused is not None)  # type: ignore[misc]
            for key in ("b", "e", last):
                app.post_message(Key(key, key if len(key) == 1 else None))
            await settle(pilot)
        await pilot.press("enter")
        await settle(pilot, lambda: chosen == ["be", "bell"])


ROWS = [Row(name, Content(name)) for name in ("apple", "bee", "bell")]


async def test_a_page_key_leaves_the_help_for_the_page() -> None:
    async with opened() as pilot:
        await pilot.press("f1", "f4")
        await settle(pilot, lambda: app_of(pilot).frame.page == "models")
        assert app_of(pilot).screen is app_of(pilot).frame


async def test_a_key_of_the_page_closes_the_help_and_acts() -> None:
    async with opened(saying("a")) as pilot:
        await say(pilot, "q")
        await pilot.press("f1", "ctrl+n")
        await settle(pilot, lambda: not app_of(pilot).chat.conversation.turns)
        assert app_of(pilot).screen is app_of(pilot).frame


async def test_letters_typed_over_the_help_are_the_messages() -> None:
    async with opened() as pilot:
        await pilot.press("f1", *"hey")
        await settle(pilot, lambda: app_of(pilot).chat.prompt.text == "hey")


async def test_keys_that_scroll_the_help_leave_it_open() -> None:
    async with opened() as pilot:
        pilot.app.animation_level = "none"
        await pilot.press("f1", "pagedown", "down", "end")
        await settle(pilot, lambda: isinstance(app_of(pilot).screen, HelpScreen))
        assert pilot.app.screen.query_one("#dialog-scroll").scroll_y > 0


@pytest.mark.parametrize("key", ["f3", "f4", "f7", "f8", "ctrl+p"])
async def test_a_form_is_not_left_by_the_way_and_no_key_says_so(key: str) -> None:
    async with opened() as pilot:
        assert "F3 Sessions" in screen_text(pilot)
        await pilot.press("f12")
        await settle(pilot, lambda: "temperature" in screen_text(pilot))
        assert "F3 Sessions" not in screen_text(pilot)
        await pilot.press(key)
        assert "temperature" in screen_text(pilot)
        await pilot.press("escape")
        await settle(pilot, lambda: "F3 Sessions" in screen_text(pilot))
        assert app_of(pilot).frame.page == "chat"


async def test_a_page_key_leaves_the_palette() -> None:
    async with opened() as pilot:
        await pilot.press("ctrl+p", "f8")
        await settle(pilot, lambda: app_of(pilot).frame.page == "data")
        assert app_of(pilot).screen is app_of(pilot).frame


async def test_a_toast_hides_neither_the_keys_nor_the_line_to_type_into() -> None:
    async with opened() as pilot:
        await pilot.press("f4", *"smol")
        await settle(pilot, lambda: "98.0 MB" in screen_text(pilot))
        before = screen_text(pilot).splitlines()
        await pilot.press("f5")
        await settle(pilot, lambda: "It is already here" in screen_text(pilot))
        after = screen_text(pilot).splitlines()
        assert after[:5] == before[:5]
        assert after[-8:] == before[-8:]


async def test_the_help_is_wrapped_once() -> None:
    async with opened() as pilot:
        pilot.app.animation_level = "none"
        await pilot.press("f1", "end")
        await settle(pilot, lambda: "(page.chat" in screen_text(pilot))
        lines = [line.strip(" │╭╮╰╯▁▂▃▄▅▆▇█") for line in screen_text(pilot).splitlines()]
        first = next(n for n, line in enumerate(lines) if line.startswith("Keys can be changed"))
        assert " ".join(lines[first : first + 2]) == KEYS_NOTE


def test_a_title_of_the_help_stands_in_its_column_however_many_keys_there_are() -> None:
    lines = "\n".join(line.plain for line in HelpScreen({})._lines).splitlines()
    assert [line.index("New line") for line in lines if "New line" in line] == [27]
    assert all(len(line) <= 68 for line in lines if line != KEYS_NOTE), "wider than the dialog at 80 columns"


async def test_a_toast_is_no_wider_than_its_words() -> None:
    async with opened() as pilot:
        await pilot.press("ctrl+c")
        await settle(pilot, lambda: "Ctrl+C again quits" in screen_text(pilot))
        [toast] = pilot.app.screen.query("Toast")
        assert toast.outer_size.width < 25


async def test_an_earlier_toast_does_not_hide_what_a_dialog_asks() -> None:
    async with opened() as pilot:
        await pilot.press("ctrl+c")
        await settle(pilot, lambda: "Ctrl+C again quits" in screen_text(pilot))
        await pilot.press("ctrl+l")
        await settle(pilot, lambda: "Write or edit" in screen_text(pilot))
        assert "Ctrl+C again quits" not in screen_text(pilot)
        app_of(pilot)._interrupted_at = -9.0
        await pilot.press("ctrl+c")
        await settle(pilot, lambda: "Ctrl+C again quits" in screen_text(pilot))


@pytest.mark.parametrize("key", ["enter", "escape"])
@pytest.mark.parametrize(
    "made",
    [lambda: Confirm("Stop?", "It ends."), lambda: AskLine("Name"), lambda: Pick("One", [Row("a", Content("a"))])],
)
async def test_a_key_pressed_twice_closes_a_dialog_once(made: Callable[[], Dialog[object]], key: str) -> None:
    answers: list[object] = []
    async with opened() as pilot:
        below, dialog = Screen[None](), made()
        pilot.app.push_screen(below)
        pilot.app.push_screen(dialog, answers.append)
        await settle(pilot, lambda: dialog.is_active and bool(dialog.query("#dialog-keys")))
        for _ in range(2):
            pilot.app.post_message(Key(key, None))
        await settle(pilot, lambda: bool(answers) and pilot.app.screen is not dialog)
        await pilot.pause()
        assert pilot.app.screen is below
        assert len(answers) == 1
