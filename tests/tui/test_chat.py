"""The chat page keeps every promise its keys make."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from edgellm_tui.render.entry import entry_lines
from edgellm_tui.turns import Phase, Turn
from edgellm_tui.widgets.transcript import FRAME_S, LAYOUT_SHARE
from textual.content import Content
from textual.widgets import TextArea

from edgellm.errors import ContextOverflow, WorkerDied
from edgellm.types import Delta, Loading, Notice, Prefill, StreamEvent
from tests.tui.conftest import app_of, edge_of, opened, say, screen_text, settle
from tests.tui.fakes import Script, held, saying


def open_gate(script: Script) -> None:
    """Let a held answer go on."""
    assert script.gate is not None
    script.gate.set()


async def test_enter_sends_and_the_answer_appears() -> None:
    async with opened(saying("The answer is **42**.")) as pilot:
        await pilot.press(*"why?", "enter")
        await settle(pilot, lambda: not app_of(pilot).chat.conversation.is_answering)
        shown = screen_text(pilot)
        assert "why?" in shown
        assert "The answer is 42." in shown
        assert "41 tok/s" in shown
        assert "0.21 s first" in shown
        assert app_of(pilot).chat.prompt.text == ""


async def test_letters_typed_just_before_enter_are_sent() -> None:
    async with opened() as pilot:
        await pilot.press(*"abcdefghij klmnop", "enter")
        await settle(pilot, lambda: bool(edge_of(pilot).asked))
        assert edge_of(pilot).asked[0]["prompt"] == "abcdefghij klmnop"


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


async def test_escape_stops_and_keeps_the_partial_answer() -> None:
    async with opened(held("one two three four five six seven eight")) as pilot:
        await pilot.press(*"go", "enter")
        chat = app_of(pilot).chat
        await settle(pilot, lambda: "one" in screen_text(pilot))
        await pilot.press("escape")
        await settle(pilot, lambda: not chat.conversation.is_answering)
        assert "one" in chat.conversation.turns[-1].text.source
        assert "eight" not in chat.conversation.turns[-1].text.source
        assert "stopped" in screen_text(pilot)
        assert any(m.finish_reason == "cancelled" for m in edge_of(pilot).sessions.stored.values())


async def test_typing_goes_on_while_an_answer_streams_and_is_never_lost() -> None:
    async with opened(script := held("one two three four five six seven eight")) as pilot:
        await pilot.press(*"go", "enter")
        chat = app_of(pilot).chat
        await settle(pilot, lambda: chat.conversation.is_answering)
        await pilot.press(*"draft")
        open_gate(script)
        await settle(pilot, lambda: not chat.conversation.is_answering)
        assert chat.prompt.text == "draft"


async def test_a_message_sent_while_one_streams_waits_and_says_so() -> None:
    async with opened(script := held("first answer here"), saying("second answer")) as pilot:
        await pilot.press(*"one", "enter")
        conversation = app_of(pilot).chat.conversation
        await settle(pilot, lambda: conversation.is_answering)
        await pilot.press(*"two", "enter")
        await settle(pilot, lambda: conversation.waiting == 1)
        assert "waits for its turn" in screen_text(pilot)
        open_gate(script)
        await settle(pilot, lambda: conversation.waiting == 0 and not conversation.is_answering)
        assert [turn.text.source for turn in conversation.turns] == ["one", "first answer here", "two", "second answer"]
        assert [m.content for m in await edge_of(pilot).sessions.messages("s1")][-1] == "second answer"


async def test_up_in_an_empty_box_edits_the_last_message_as_a_branch() -> None:
    async with opened(saying("A1"), saying("A2")) as pilot:
        await say(pilot, "first wording")
        await pilot.press("up")
        chat = app_of(pilot).chat
        await settle(pilot, lambda: chat.prompt.text == "first wording")
        await pilot.press("!", "enter")
        await settle(pilot, lambda: "A2" in screen_text(pilot))
        assert "‹ 2/2 ›" in screen_text(pilot)
        assert [turn.text.source for turn in chat.conversation.turns] == ["first wording!", "A2"]
        roots = [m for m in edge_of(pilot).sessions.stored.values() if m.parent_id is None]
        assert [m.content for m in roots] == ["first wording", "first wording!"]


async def test_escape_leaves_editing() -> None:
    async with opened(saying("A1")) as pilot:
        await say(pilot, "x")
        await pilot.press("up")
        await settle(pilot, lambda: app_of(pilot).chat.prompt.text == "x")
        await pilot.press("escape")
        await settle(pilot, lambda: app_of(pilot).chat.prompt.text == "")
        await say(pilot, "y")
        assert len(app_of(pilot).chat.conversation.turns) == 4


async def test_regenerate_makes_a_branch_and_arrows_switch() -> None:
    async with opened(saying("old answer"), saying("new answer")) as pilot:
        await say(pilot, "q")
        await pilot.press("f5")
        await settle(pilot, lambda: "new answer" in screen_text(pilot) and "2/2" in screen_text(pilot))
        await pilot.press("tab", "left")
        await settle(pilot, lambda: "old answer" in screen_text(pilot))
        assert "‹ 1/2 ›" in screen_text(pilot)
        await pilot.press("right")
        await settle(pilot, lambda: "new answer" in screen_text(pilot))


async def test_plus_and_minus_rate_and_the_same_key_takes_it_back() -> None:
    async with opened(saying("fine")) as pilot:
        await say(pilot, "q")
        await pilot.press("tab", "plus")
        stored = edge_of(pilot).sessions.stored
        await settle(pilot, lambda: stored["m3"].rating == 1)
        assert "▲ good" in screen_text(pilot)
        await pilot.press("minus")
        await settle(pilot, lambda: stored["m3"].rating == -1)
        await pilot.press("minus")
        await settle(pilot, lambda: stored["m3"].rating == 0)


@pytest.mark.parametrize("key", ["plus", "f"])
async def test_an_answer_on_its_way_cannot_be_judged_and_says_so(key: str) -> None:
    async with opened(held("one two three four")) as pilot:
        await pilot.press("x", "enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.is_answering)
        await pilot.press("tab", key)
        await settle(pilot, lambda: "not stored yet" in screen_text(pilot))


async def test_f_opens_the_answer_for_correction_and_saves_it() -> None:
    async with opened(saying("Paris is in Italy.")) as pilot:
        await say(pilot, "where is Paris?")
        await pilot.press("tab", "f")
        await settle(pilot, lambda: bool(pilot.app.screen.query("#dialog-text")))
        await pilot.press("ctrl+a", "X", "ctrl+s")
        stored = edge_of(pilot).sessions.stored
        await settle(pilot, lambda: stored["m3"].correction == "XParis is in Italy.")
        assert stored["m3"].content == "Paris is in Italy."
        await settle(pilot, lambda: "✎ corrected" in screen_text(pilot))


async def test_reasoning_is_folded_and_one_key_opens_it() -> None:
    async with opened(saying("Done.", reasoning="secret steps")) as pilot:
        await say(pilot, "q")
        assert "Thought" in screen_text(pilot)
        assert "secret steps" not in screen_text(pilot)
        await pilot.press("ctrl+o")
        await settle(pilot, lambda: "secret steps" in screen_text(pilot))


async def test_copy_message_and_code_blocks_only_on_the_users_key() -> None:
    async with opened(saying("a\n\n```py\none\n```\n\n```py\ntwo\n```\n")) as pilot:
        await say(pilot, "q")
        assert pilot.app.clipboard == ""
        await pilot.press("tab", "b")
        await settle(pilot, lambda: pilot.app.clipboard == "one")
        await pilot.press("b")
        await settle(pilot, lambda: pilot.app.clipboard == "two")
        await pilot.press("c")
        await settle(pilot, lambda: pilot.app.clipboard.startswith("a\n"))


async def test_tokens_that_come_one_by_one_are_drawn_in_groups() -> None:
    async with opened(saying("a")) as pilot:
        await say(pilot, "q")
        transcript, drawn = app_of(pilot).chat.transcript, 0
        lay_out = transcript.flow.lay_out

        def counted(width: int, selected: Turn | None) -> range:
            nonlocal drawn
            drawn += 1
            return lay_out(width, selected)

        transcript.flow.lay_out = counted  # type: ignore[method-assign]
        began = time.monotonic()
        for _ in range(60):
            transcript.changed()
            await pilot.pause(0.005)
        assert 0 < drawn <= 2 + (time.monotonic() - began) / FRAME_S


async def test_a_dead_worker_is_a_notice_and_the_next_message_works() -> None:
    died = Script([Delta(text="half an ")], error=WorkerDied("The worker ended (signal 11)."))
    async with opened(died, saying("alive again")) as pilot:
        await say(pilot, "q")
        shown = screen_text(pilot)
        assert "half an" in shown
        assert "What was written is kept" in " ".join(shown.split())
        await say(pilot, "again")
        assert "alive again" in screen_text(pilot)


async def test_errors_are_told_by_type() -> None:
    failing = Script(error=ContextOverflow("The prompt has 9,000 tokens; the context holds 4,096.", hint="Shorten it."))
    async with opened(failing) as pilot:
        await say(pilot, "q")
        await settle(pilot, lambda: "Too long for the context" in screen_text(pilot))
        assert "9,000" in screen_text(pilot)


async def test_loading_reading_and_notices_are_shown() -> None:
    events: list[StreamEvent] = [
        Loading(model="starter", fraction=0.4),
        Prefill(done_tokens=512, total_tokens=2048),
        Notice(text="Three early turns were left out."),
        Delta(text="ok"),
    ]
    async with opened(Script(events, pause_s=0.12)) as pilot:
        await pilot.press("q", "enter")
        await settle(pilot, lambda: "Loading starter" in screen_text(pilot))
        await settle(pilot, lambda: "Reading 2,048 tokens" in screen_text(pilot))
        await settle(pilot, lambda: "Three early turns were left out." in screen_text(pilot))


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


async def test_letters_typed_just_after_enter_are_kept() -> None:
    async with opened() as pilot:
        prompt = app_of(pilot).chat.prompt
        prompt.insert("first")
        prompt.action_send()
        prompt.insert("next")
        await settle(pilot, lambda: bool(edge_of(pilot).asked))
        assert edge_of(pilot).asked[0]["prompt"] == "first"
        assert prompt.text == "next"


async def test_an_unknown_command_is_not_sent() -> None:
    async with opened() as pilot:
        await pilot.press(*"/nothing", "enter")
        await settle(pilot, lambda: "no command" in screen_text(pilot))
        assert edge_of(pilot).asked == []
        assert app_of(pilot).chat.prompt.text == "/nothing"


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


async def test_a_queued_message_of_an_abandoned_conversation_is_dropped() -> None:
    async with opened(held("a b c d e f")) as pilot:
        conversation = app_of(pilot).chat.conversation
        await pilot.press("x", "enter")
        await settle(pilot, lambda: conversation.is_answering)
        await pilot.press("y", "enter", "ctrl+n")
        await settle(pilot, lambda: not conversation.is_answering)
        assert conversation.turns == []
        assert len(edge_of(pilot).asked) == 1


async def test_ctrl_c_stops_first_and_quits_when_pressed_twice() -> None:
    async with opened(held("a b c d e f")) as pilot:
        conversation = app_of(pilot).chat.conversation
        await pilot.press("x", "enter")
        await settle(pilot, lambda: conversation.is_answering)
        await pilot.press("ctrl+c")
        await settle(pilot, lambda: not conversation.is_answering)
        assert pilot.app.is_running
        await pilot.press("ctrl+c", "ctrl+c")
        await pilot.pause()
        assert pilot.app._exit


async def test_a_long_history_is_windowed_and_grows_upwards() -> None:
    async with opened() as pilot:
        chat, sessions = app_of(pilot).chat, edge_of(pilot).sessions
        session = await sessions.create(model="m")
        parent = None
        for number in range(500):
            role = "assistant" if number % 2 else "user"
            parent = sessions.append(session.id, role, f"message {number}", parent).id
        chat.open_session(session.id)
        await settle(pilot, lambda: "message 499" in screen_text(pilot))
        assert len(chat.transcript.flow.entries) == 60
        chat.transcript.scroll_home(animate=False)
        await settle(pilot, lambda: len(chat.transcript.flow.entries) == 120)


async def test_the_reader_who_scrolled_up_is_left_alone() -> None:
    long = "\n\n".join(f"line {i}" for i in range(60))
    async with opened(saying(long), script := held(long, pieces=30)) as pilot:
        await say(pilot, "q")
        chat = app_of(pilot).chat
        await pilot.press("x", "enter")
        await settle(pilot, lambda: chat.conversation.turns[-1].phase is Phase.WRITING)
        chat.transcript.scroll_to(y=3, animate=False)
        open_gate(script)
        await settle(pilot, lambda: not chat.conversation.is_answering)
        assert chat.transcript.scroll_offset.y == 3


async def test_quitting_while_an_answer_streams_ends_cleanly() -> None:
    async with opened(held("one two three four")) as pilot:
        await pilot.press("x", "enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.is_answering)
        await pilot.press("ctrl+q")
        await pilot.pause()
    assert edge_of(pilot).is_closed


@pytest.mark.parametrize(("error", "told"), [(None, "The answer is ready"), (WorkerDied("Gone."), "process ended")])
async def test_an_answer_that_ends_out_of_sight_is_announced(error: WorkerDied | None, told: str) -> None:
    script = replace(held("one two three"), error=error)
    async with opened(script, size=(120, 30)) as pilot:
        await pilot.press("x", "enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.is_answering)
        await pilot.press("f4")
        open_gate(script)
        await settle(pilot, lambda: told in screen_text(pilot))


async def test_an_answer_in_sight_or_stopped_is_not_announced() -> None:
    async with opened(saying("seen"), script := held("one two three")) as pilot:
        await say(pilot, "q")
        await pilot.press("x", "enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.is_answering)
        await pilot.press("f4", "ctrl+c")
        await settle(pilot, lambda: not app_of(pilot).chat.conversation.is_answering)
        assert script.gate is not None
        assert [note.message for note in pilot.app._notifications] == []


async def test_a_click_into_the_messages_leaves_the_view_and_the_focus_where_they_are() -> None:
    async with opened(saying("\n\n".join(f"line {i}" for i in range(60)))) as pilot:
        await say(pilot, "q")
        chat = app_of(pilot).chat
        chat.transcript.scroll_to(y=20, animate=False)
        await settle(pilot)
        await pilot.click("#transcript", offset=(10, 5))
        await settle(pilot)
        assert chat.transcript.scroll_offset.y == 20
        assert chat.prompt.has_focus


@pytest.mark.parametrize("name", ["~nobody-has-this-name/x.md", "x" * 300 + ".md", "no/such/folder/\0.md"])
async def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    async with opened(saying("a"), size=(120, 30)) as pilot:
        await say(pilot, "q")
        app_of(pilot).chat.export(name)
        await settle(pilot, lambda: "That did not work" in screen_text(pilot))


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


async def test_an_empty_correction_is_none() -> None:
    async with opened(saying("fine")) as pilot:
        await say(pilot, "q")
        await pilot.press("tab", "f")
        await settle(pilot, lambda: bool(pilot.app.screen.query("#dialog-text")))
        pilot.app.screen.query_one("#dialog-text", TextArea).text = " "
        await pilot.press("ctrl+s")
        await settle(pilot, lambda: app_of(pilot).screen is app_of(pilot).frame)
        assert edge_of(pilot).sessions.stored["m3"].correction is None


async def test_a_text_that_is_slow_to_lay_out_is_drawn_less_often() -> None:
    async with opened(saying("a")) as pilot:
        await say(pilot, "q")
        transcript, drawn = app_of(pilot).chat.transcript, 0
        lay_out = transcript.flow.lay_out

        def slow(width: int, selected: Turn | None) -> range:
            nonlocal drawn
            drawn += 1
            end = time.thread_time() + 0.03
            while time.thread_time() < end:
                pass
            return lay_out(width, selected)

        transcript.flow.lay_out = slow  # type: ignore[method-assign]
        began = time.monotonic()
        while time.monotonic() - began < 0.7:
            transcript.changed()
            await pilot.pause(0.005)
        assert 0 < drawn <= 2 + (time.monotonic() - began) / (0.03 / LAYOUT_SHARE)


async def test_after_500_messages_an_answer_costs_its_own_lines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(script := held("word " * 200, pieces=200)) as pilot:
        chat, sessions = app_of(pilot).chat, edge_of(pilot).sessions
        session = await sessions.create(model="m")
        parent = None
        for number in range(500):
            role = "assistant" if number % 2 else "user"
            parent = sessions.append(session.id, role, f"message {number}\n\n- a\n- list\n", parent).id
        chat.open_session(session.id)
        await settle(pilot, lambda: "message 499" in screen_text(pilot))
        await pilot.press("x", "enter")
        await settle(pilot, lambda: chat.conversation.turns[-1].phase is Phase.WRITING)
        laid_out: set[str] = set()

        def counted(turn: Turn, width: int, *, is_selected: bool) -> list[Content]:
            laid_out.add(f"{turn.role} {chat.conversation.turns.index(turn)}")
            return entry_lines(turn, width, is_selected=is_selected)

        monkeypatch.setattr("edgellm_tui.widgets.flow.entry_lines", counted)
        open_gate(script)
        await settle(pilot, lambda: not chat.conversation.is_answering)
        assert laid_out <= {"user 500", "assistant 501"}
        assert "assistant 501" in laid_out
