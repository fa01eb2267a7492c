"""`edgellm chat` with arguments and pipes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from edgellm.errors import ContextOverflow, ModelNotFound, StoreError, WorkerDied
from edgellm.types import Delta, Loading, Message, Notice, Prefill
from tests.unit.cli.bench import Bench
from tests.unit.cli.fakes import FakeEdge, FakeStream

RIVERS = (Delta(text="Rhine, "), Delta(text="Nile, Ganges."))
ESCAPES = (Delta(text="a\x1b"), Delta(text="]52;c;aGk=\x07b\x9b"), Delta(text="31mc\u202ed"))


@pytest.fixture
def rivers(bench: Bench) -> Bench:
    bench.edge.script = RIVERS
    return bench


def test_a_pipe_gets_the_answer_alone(rivers: Bench) -> None:
    rivers.edge.script = (Loading(model="starter", fraction=0.5), Prefill(done_tokens=1, total_tokens=2), *RIVERS)
    assert rivers.run("chat", "Name three rivers.") == 0
    assert rivers.out == "Rhine, Nile, Ganges.\n"
    assert rivers.err == ""
    assert rivers.edge.asked[0][0] == "Name three rivers."


def test_reasoning_is_no_part_of_the_text(rivers: Bench) -> None:
    rivers.edge.script = (Delta(reasoning="Hm. Rivers."), *RIVERS)
    rivers.run("chat", "Name three rivers.")
    assert rivers.out == "Rhine, Nile, Ganges.\n"


def test_a_terminal_shows_reasoning_dim_and_apart(rivers: Bench) -> None:
    rivers.is_terminal = True
    rivers.edge.script = (Delta(reasoning="Hm."), *RIVERS)
    rivers.run("chat", "Name three rivers.")
    assert rivers.out == "\x1b[2mHm.\x1b[0m\n\nRhine, Nile, Ganges.\n"
    assert "40 tok/s" in rivers.err


def test_no_color_means_no_escape_for_colour(rivers: Bench) -> None:
    rivers.is_terminal = True
    rivers.environment = {**rivers.environment, "NO_COLOR": "1"}
    rivers.edge.script = (Delta(reasoning="Hm."), *RIVERS)
    rivers.run("chat", "Name three rivers.")
    assert "\x1b" not in rivers.out


def test_argument_and_standard_input_are_joined(rivers: Bench) -> None:
    rivers.stdin = b"from the pipe\n"
    assert rivers.run("chat", "Summarise:") == 0
    assert rivers.edge.asked[0][0] == "Summarise:\n\nfrom the pipe"


def test_standard_input_alone_is_a_prompt(rivers: Bench) -> None:
    rivers.stdin = "Ganga क्या है?".encode()
    assert rivers.run("chat") == 0
    assert rivers.edge.asked[0][0] == "Ganga क्या है?"


@pytest.mark.parametrize(
    ("stdin", "said"), [(b"", "standard input is empty"), (b" \n", "empty"), (b"ab\xff", "byte 2 is 0xff")]
)
def test_a_prompt_must_be_text(rivers: Bench, stdin: bytes, said: str) -> None:
    rivers.stdin = stdin
    assert rivers.run("chat") == 3
    assert said in rivers.err
    assert not rivers.edge.asked


def test_the_json_object_has_the_documented_keys_and_no_others(rivers: Bench) -> None:
    assert rivers.run("chat", "Name three rivers.", "--json") == 0
    assert json.loads(rivers.out) == {
        "text": "Rhine, Nile, Ganges.",
        "finish_reason": "stop",
        "model": "starter",
        "usage": {"prompt_tokens": 12, "cached_tokens": 4, "completion_tokens": 3},
        "timings": {"load_s": 0.5, "ttft_s": 0.25, "prefill_tokens_per_s": 80.0, "decode_tokens_per_s": 40.0},
    }


def test_json_escapes_what_could_steer_a_terminal_and_loses_nothing(bench: Bench) -> None:
    bench.edge.script = (*ESCAPES, Delta(text="\x7f"))
    bench.run("chat", "Hi", "--json")
    assert bench.out.isascii()
    assert bench.out.replace("\n", "").isprintable()
    assert json.loads(bench.out)["text"] == "a\x1b]52;c;aGk=\x07b\x9b31mc\u202ed\x7f"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_escapes_cut_in_two_never_come_through(bench: Bench, is_terminal: bool) -> None:
    bench.is_terminal = is_terminal
    bench.environment = {**bench.environment, "NO_COLOR": "1"}
    bench.edge.script = (*ESCAPES, Notice(text="notice \x1b[2J"), Delta(reasoning="\x1b]0;title\x07"))
    bench.run("chat", "Hi")
    assert not any(char in bench.out for char in "\x1b\x07\x9b\u202e")
    assert "␛]52;c;aGk=␇b" in bench.out
    assert "\x1b[2J" not in bench.err


def test_options_reach_the_request(rivers: Bench, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object"}')
    rivers.run(
        "chat", "Hi", "-m", "big", "-s", "Be brief.", "--max-tokens", "5", "--temperature", "0", "--seed", "7",
        "--schema", str(schema), "--no-save",
    )  # fmt: skip
    _, options = rivers.edge.asked[0]
    assert (options["model"], options["system"], options["session"]) == ("big", "Be brief.", None)
    assert (options["sampling"].max_tokens, options["sampling"].temperature, options["sampling"].seed) == (5, 0.0, 7)
    assert options["constraint"].text == '{"type": "object"}'
    assert options["constraint"].kind == "json_schema"


def test_without_sampling_options_the_settings_hold(rivers: Bench) -> None:
    rivers.run("chat", "Hi")
    assert rivers.edge.asked[0][1]["sampling"].temperature == 0.5


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--temperature", "9", "from 0 to 5"), ("--max-tokens", str(10**30), "1 to 2147483647")],
)
def test_sampling_out_of_range_is_refused_before_a_session_begins(
    rivers: Bench, option: str, value: str, said: str
) -> None:
    assert rivers.run("chat", "Hi", option, value) == 3
    assert said in rivers.err
    assert rivers.edge.asked == []
    assert rivers.edge.sessions.kept == []


def test_an_empty_instruction_replaces_the_settings_own(rivers: Bench) -> None:
    rivers.edge.settings.system_prompt = "Be brief."
    rivers.run("chat", "Hi", "--system", "")
    assert rivers.edge.asked[0][1]["system"] is None
    assert rivers.edge.sessions.kept[0].system is None


def test_a_schema_that_is_no_json_says_where(rivers: Bench, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": }')
    assert rivers.run("chat", "Hi", "--schema", str(schema)) == 3
    assert "line 1, column 10" in rivers.err
    assert not rivers.edge.sessions.kept


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe{\x00}\x00", "is not UTF-8 text: byte 0"),
        (b"[" * 60_000, "goes beyond what JSON readers take"),
        (b"9" * 60_000, "goes beyond what JSON readers take"),
        (b" " * 70_000, "holds more than 64 KiB"),
    ],
)
def test_an_odd_schema_is_refused(rivers: Bench, tmp_path: Path, content: bytes, said: str) -> None:
    schema = tmp_path / "schema.json"
    schema.write_bytes(content)
    assert rivers.run("chat", "Hi", "--schema", str(schema)) == 3
    assert said in rivers.err


def test_a_schema_may_begin_with_a_byte_order_mark(rivers: Bench, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_bytes(b'\xef\xbb\xbf{"type": "object"}')
    assert rivers.run("chat", "Hi", "--schema", str(schema)) == 0
    assert rivers.edge.asked[0][1]["constraint"].text == '{"type": "object"}'


def test_a_schema_file_that_is_missing_is_the_users_error(rivers: Bench) -> None:
    assert rivers.run("chat", "Hi", "--schema", "none.json") == 12
    assert "'none.json'" in rivers.err


def test_a_chat_is_kept_and_can_be_continued(rivers: Bench) -> None:
    rivers.run("chat", "Hi", "-m", "big")
    session = rivers.edge.sessions.kept[0]
    rivers.run("chat", "And?", "--continue")
    rivers.run("chat", "And?", "--session", session.id[:4], "-m", "other")
    assert [options["session"] for _, options in rivers.edge.asked] == [session.id] * 3
    assert [options["model"] for _, options in rivers.edge.asked] == ["big", "big", "other"]


def test_an_instruction_that_is_no_text_is_said(rivers: Bench) -> None:
    assert rivers.run("chat", "Hi", "--system", "\udcff") == 3
    assert "The instruction is not UTF-8 text: character 0 is '\\udcff'." in rivers.err


def test_no_save_keeps_nothing(rivers: Bench) -> None:
    rivers.run("chat", "Hi", "--no-save")
    assert not rivers.edge.sessions.kept
    assert rivers.edge.asked[0][0] == [Message(role="user", content="Hi")]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_an_empty_argument_is_said(rivers: Bench, is_terminal: bool) -> None:
    rivers.is_terminal = is_terminal
    assert rivers.run("chat", " ") == 3
    assert "error: The prompt is empty.\nhint:  Give one as an argument" in re.sub("\x1b[^m]*m", "", rivers.err)


def test_a_model_that_cannot_answer_leaves_no_session_to_continue(rivers: Bench) -> None:
    rivers.run("chat", "Hi")
    rivers.edge.refusal = ModelNotFound("'qwen3-0.6b' is not installed.", hint="Fetch it.")
    assert rivers.run("chat", "Hi", "-m", "qwen3-0.6b") == 4
    assert [session.model for session in rivers.edge.sessions.kept] == ["starter"]
    assert rivers.run("chat", "Hi", "--continue") == 4
    assert len(rivers.edge.sessions.kept) == 1  # an older session stays


def test_a_line_chat_names_a_missing_model_before_the_first_prompt(rivers: Bench) -> None:
    rivers.is_terminal = True
    assert rivers.run("chat", "-m", "nonesuch") == 4
    assert "no model named 'nonesuch'" in rivers.err
    assert rivers.out == ""


def test_nothing_to_continue_is_said(rivers: Bench) -> None:
    assert rivers.run("chat", "Hi", "--continue") == 4
    assert "no session to continue" in rivers.err


def test_two_sessions_at_once_are_refused(rivers: Bench) -> None:
    assert rivers.run("chat", "Hi", "--continue", "--session", "x") == 2


def test_an_ambiguous_id_lists_what_it_could_mean(rivers: Bench) -> None:
    rivers.run("chat", "one")
    rivers.run("chat", "two")
    assert rivers.run("chat", "Hi", "--session", "0") == 3
    assert "00abc" in rivers.err
    assert "01abc" in rivers.err


TOO_LONG = ContextOverflow("9 tokens do not fit 8.", prompt_tokens=9, context_tokens=8)


def test_a_session_whose_first_prompt_is_refused_is_not_kept(rivers: Bench) -> None:
    rivers.run("chat", "Hi")
    [kept] = rivers.edge.sessions.kept
    rivers.edge.script = [TOO_LONG]
    assert rivers.run("chat", "Much too long.") == 3
    assert rivers.edge.sessions.kept == [kept]
    assert rivers.run("chat", "Much too long.", "--continue") == 3
    assert rivers.edge.sessions.kept == [kept]  # an older session stays


def test_a_session_whose_first_answer_broke_off_is_kept(bench: Bench) -> None:
    bench.edge.script = [Delta(text="Rhine, "), WorkerDied("The engine died.")]
    bench.run("chat", "Hi")
    assert len(bench.edge.sessions.kept) == 1


def test_a_notice_that_comes_with_the_end_is_shown_once(rivers: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    rivers.edge.script = (Notice(text="Left out 2 turns."), *RIVERS)
    whole = FakeStream.__dict__["reply"].fget
    late = property(lambda self: replace(whole(self), notices=(*whole(self).notices, "Not counted.")))
    monkeypatch.setattr(FakeStream, "reply", late)
    rivers.run("chat", "Hi", "--no-save")
    assert rivers.err == "Left out 2 turns.\nNot counted.\n"


@pytest.mark.parametrize(("option", "is_said"), [("--save", True), ("--no-save", False)])
def test_a_store_that_cannot_be_opened_names_the_way_without(bench: Bench, option: str, is_said: bool) -> None:
    bench.edge.refusal = StoreError("The store cannot be opened: Permission denied.", hint="Make it writable.")
    assert bench.run("chat", "Hi", option) == 9
    assert ("Make it writable. With --no-save a model answers" in bench.err) is is_said


def test_a_failed_answer_keeps_what_was_written(bench: Bench) -> None:
    bench.edge = FakeEdge([Delta(text="Rhine, "), WorkerDied("The engine died.", hint="Try again.")])
    assert bench.run("chat", "Hi") == 7
    assert bench.out == "Rhine, \n"
    assert bench.err == "error: The engine died.\nhint:  Try again.\n"


def test_a_prompt_too_long_is_told_without_a_traceback(bench: Bench) -> None:
    bench.edge = FakeEdge([TOO_LONG])
    assert bench.run("chat", "Hi") == 3
    assert "Traceback" not in bench.err


def test_global_options_reach_the_sdk(rivers: Bench, tmp_path: Path) -> None:
    rivers.run("--home", str(tmp_path), "--offline", "chat", "Hi", "-m", "big")
    model, home, offline = rivers.edge.opened_with[0]
    assert (model, home.data, offline) == ("big", tmp_path / "data", True)


def test_a_new_chat_begins_with_the_settings_instruction_and_a_resumed_one_keeps_its_own(rivers: Bench) -> None:
    rivers.edge.settings.system_prompt = "Be kind."
    rivers.run("chat", "Hi")
    rivers.run("chat", "Hi", "-s", "Be brief.")
    rivers.run("chat", "And?", "--continue")
    assert [options["system"] for _, options in rivers.edge.asked] == ["Be kind.", "Be brief.", None]
    assert [session.system for session in rivers.edge.sessions.kept] == ["Be brief.", "Be kind."]
