"""The command in a real terminal: what goes over the wire, and what keys do."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.cli.terminal import Terminal

OURS = re.compile(rb"\x1b\[(?:[0-9;]*m|K)|\x1b\[\?2004[hl]")
"""Colours, the end of a status line, and readline's bracketed paste: what the command itself writes."""
FORBIDDEN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]")


def strange(wire: bytes) -> list[bytes]:
    """Control characters on the wire that the command did not write itself."""
    return [found.group() for found in FORBIDDEN.finditer(OURS.sub(b"", wire))]


def test_the_search_for_payloads_finds_them() -> None:
    assert strange(b"\x1b]0;x\x07") == [b"\x1b", b"\x07"]
    assert strange("\x9b\u202e".encode())
    assert not strange(b"\x1b[2mdim\x1b[0m\r\x1b[K\r\n")


def test_no_payload_reaches_the_terminal() -> None:
    with Terminal("hostile", "chat", "Hi") as terminal:
        assert terminal.wait() == 0
        wire = terminal.seen
    assert strange(wire) == []
    assert "␛]52;c;cm0gLXJmIH4=␇".encode() in wire.replace(b"\r\n", b"")


def test_no_payload_in_a_line_chat() -> None:
    with Terminal("hostile", "chat") as terminal:
        terminal.expect("> ")
        terminal.send("hi\n")
        terminal.expect("first after")
        terminal.leave()
        assert terminal.wait() == 0
        assert strange(terminal.seen) == []


def test_ctrl_c_stops_an_answer_and_keeps_what_there_is() -> None:
    with Terminal("slow", "chat", "Hi") as terminal:
        terminal.expect("w3 ")
        terminal.send("\x03")
        terminal.expect("stopped")
        assert terminal.wait() == 130


def test_ctrl_c_in_a_line_chat_stops_the_answer_alone() -> None:
    with Terminal("slow", "chat") as terminal:
        terminal.expect("> ")
        terminal.send("hi\n")
        terminal.expect("w3 ")
        terminal.send("\x03")
        terminal.expect("stopped")
        terminal.expect("> ")
        terminal.send("/bye\n")
        assert terminal.wait() == 0


def test_a_conversation_that_is_ended_from_outside_while_the_model_writes_says_how_to_go_on() -> None:
    with Terminal("slow", "chat") as terminal:
        terminal.expect("> ")
        terminal.send("hi\n")
        terminal.expect("w3 ")
        terminal.terminate()
        terminal.expect("stopped")
        terminal.expect("Go on with: edgellm chat --session")
        assert terminal.wait() == 143


def test_ctrl_c_twice_at_the_cursor_leaves() -> None:
    with Terminal("short", "chat") as terminal:
        terminal.expect("> ")
        terminal.interrupt()
        terminal.expect("once more")
        terminal.expect("> ")
        terminal.interrupt()
        assert terminal.wait() == 130


def test_commands_of_the_line_chat(tmp_path: Path) -> None:
    target = tmp_path / "rivers.md"
    with Terminal("short", "chat") as terminal:
        terminal.expect("> ")
        for said, answer in (
            ("/help", "/save FILE"),
            ("/save x", "Nothing is kept"),
            ("two \\", ". "),
            ("rivers", "Rhine, Nile."),
            ("/model", "starter"),
            ("/model none", "Did you mean 'starter'?"),
            (f"/save {target}", "written to"),
            ("/system Be brief.", "Be brief."),
            ("/nonsense", "no /nonsense"),
            ("/new", "A new conversation."),
        ):
            terminal.send(said + "\n")
            terminal.expect(answer)
        terminal.leave()
        assert terminal.wait() == 0
    assert target.read_text().startswith("markdown of")


def test_an_answer_is_wrapped_at_words() -> None:
    with Terminal("slow", "chat", "Hi", environment={"NO_COLOR": "1"}) as terminal:
        terminal.expect("w20")
        lines = terminal.seen.decode().replace("\x1b[K", "").split("\r\n")
    assert len(lines) > 1
    assert all(line.split(" ")[-1].startswith("w") for line in lines[:-1])
    assert all(len(line) <= 60 for line in lines)
