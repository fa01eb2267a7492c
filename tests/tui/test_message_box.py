"""The message box: nothing typed is lost, and what is typed is understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.conftest import app_of, edge_of, opened, say, screen_text, settle
from tests.tui.fakes import held, saying


async def test_letters_typed_just_before_enter_are_sent() -> None:
    async with opened() as pilot:
        await pilot.press(*"abcdefghij klmnop", "enter")
        await settle(pilot, lambda: bool(edge_of(pilot).asked))
        assert edge_of(pilot).asked[0]["prompt"] == "abcdefghij klmnop"


async def test_letters_typed_just_after_enter_are_kept() -> None:
    async with opened() as pilot:
        prompt = app_of(pilot).chat.prompt
        prompt.insert("first")
        prompt.action_send()
        prompt.insert("next")
        await settle(pilot, lambda: bool(edge_of(pilot).asked))
        assert edge_of(pilot).asked[0]["prompt"] == "first"
        assert prompt.text == "next"


@pytest.mark.parametrize("key", ["ctrl+j", "shift+enter"])
async def test_new_line_keys(key: str) -> None:
    async with opened() as pilot:
        await pilot.press("a", key, "b")
        prompt = app_of(pilot).chat.prompt
        assert prompt.text == "a\nb"
        await settle(pilot, lambda: prompt.size.height == 2)


async def test_the_box_grows_to_ten_lines() -> None:
    async with opened() as pilot:
        prompt = app_of(pilot).chat.prompt
        prompt.insert("\n".join("line" for _ in range(30)))
        await settle(pilot)
        assert prompt.size.height == 10


async def test_typing_goes_on_while_an_answer_streams_and_is_never_lost() -> None:
    async with opened(script := held("one two three four five six seven eight")) as pilot:
        await pilot.press(*"go", "enter")
        chat = app_of(pilot).chat
        await settle(pilot, lambda: chat.conversation.is_answering)
        await pilot.press(*"draft")
        script.release()
        await settle(pilot, lambda: not chat.conversation.is_answering)
        assert chat.prompt.text == "draft"


async def test_ctrl_n_begins_anew_and_keeps_the_draft() -> None:
    async with opened(saying("a")) as pilot:
        await say(pilot, "q")
        await pilot.press(*"half")
        await pilot.press("ctrl+n")
        await settle(pilot, lambda: "Nothing leaves it" in screen_text(pilot))
        assert app_of(pilot).chat.prompt.text == "half"


async def test_slash_menu_completes_and_runs() -> None:
    async with opened(saying("a")) as pilot:
        await say(pilot, "q")
        await pilot.press(*"/cle")
        await settle(pilot, lambda: "/clear" in screen_text(pilot))
        await pilot.press("enter")
        await settle(pilot, lambda: not app_of(pilot).chat.conversation.turns)
        await pilot.press(*"/sys", "tab")
        await settle(pilot, lambda: app_of(pilot).chat.prompt.text == "/system ")
        await pilot.press(*"Be brief", "enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.system == "Be brief")
        await say(pilot, "q")
        assert edge_of(pilot).asked[-1]["system"] == "Be brief"


async def test_enter_counts_although_the_menu_was_still_open() -> None:
    async with opened() as pilot:
        prompt = app_of(pilot).chat.prompt
        prompt.insert("/system Be brief")
        prompt.menu_open = True
        prompt.action_send()
        await settle(pilot, lambda: app_of(pilot).chat.conversation.system == "Be brief")


@pytest.mark.parametrize(
    ("typed", "told"),
    [("/nothing", "no command '/nothing'"), ("/modle qwen", "Did you mean /model?"), ("/?", "no command '/?'")],
)
async def test_an_unknown_command_is_not_sent(typed: str, told: str) -> None:
    async with opened() as pilot:
        await pilot.press(*typed, "enter")
        await settle(pilot, lambda: told in " ".join(screen_text(pilot).split()))
        assert edge_of(pilot).asked == []
        assert app_of(pilot).chat.prompt.text == typed


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        (" /modle is how I write it", "/modle is how I write it"),
        ("/usr/bin: what is it for?", "/usr/bin: what is it for?"),
        ("// a comment", "// a comment"),
        ("/* a comment */", "/* a comment */"),
        ("  indented", "  indented"),
    ],
)
async def test_a_message_may_begin_with_a_slash(typed: str, sent: str) -> None:
    async with opened() as pilot:
        app_of(pilot).chat.prompt.insert(typed)
        await pilot.press("enter")
        await settle(pilot, lambda: bool(edge_of(pilot).asked))
        assert edge_of(pilot).asked[0]["prompt"] == sent


async def test_at_puts_a_text_file_into_the_prompt() -> None:
    Path("notes.md").write_text("# Launch\nTuesday \x1b]52;c;aGk=\x07")
    async with opened() as pilot:
        await pilot.press(*"see @not")
        await settle(pilot, lambda: "@notes.md" in screen_text(pilot))
        await pilot.press("enter")
        prompt = app_of(pilot).chat.prompt
        await settle(pilot, lambda: "Tuesday" in prompt.text)
        assert prompt.text.startswith("see notes.md:\n```md\n# Launch")
        assert "\x1b" not in prompt.text


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("big.txt", b"x" * 70_000, "70,000 bytes"),
        ("tool.bin", b"\x00\x01\xff", "not UTF-8"),
        ("n.txt", b"a\0b", "binary"),
    ],
    ids=["large", "not text", "zero bytes"],
)
async def test_large_and_binary_files_are_refused(name: str, content: bytes, told: str) -> None:
    Path(name).write_bytes(content)
    async with opened(size=(120, 30)) as pilot:
        await pilot.press("@", *name[:3])
        await settle(pilot, lambda: f"@{name}" in screen_text(pilot))
        await pilot.press("enter")
        await settle(pilot, lambda: told in screen_text(pilot))
        assert app_of(pilot).chat.prompt.text == f"@{name[:3]}"


async def test_files_found_after_more_was_typed_open_no_menu() -> None:
    Path("note.md").write_text("x")
    async with opened() as pilot:
        chat = app_of(pilot).chat
        chat.prompt.insert("@no")
        await settle(pilot, lambda: chat.prompt.menu_open)
        wanted = chat.writing._wanted
        assert wanted is not None
        chat.prompt.insert("body and more")
        await settle(pilot, lambda: not chat.prompt.menu_open)
        await chat.writing._find_files(wanted).wait()
        assert not chat.prompt.menu_open


async def test_letters_typed_while_a_file_is_read_stand_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("note.md").write_text("inside")
    async with opened() as pilot:
        prompt = app_of(pilot).chat.prompt

        def slow(_name: str) -> str:
            pilot.app.call_from_thread(prompt.insert, " after")
            return "inside"

        monkeypatch.setattr("edgellm_tui.files.read_text_file", slow)
        await pilot.press(*"@no")
        await settle(pilot, lambda: prompt.menu_open)
        await pilot.press("tab")
        await settle(pilot, lambda: "inside" in prompt.text)
        assert prompt.text == "note.md:\n```md\ninside\n```\n after"
