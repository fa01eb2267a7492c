"""Text comes out whole, whatever pieces it arrives in."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.engine.text import AnswerText, held_length

THINK = (("<think>", "</think>"),)


def run(pieces: list[bytes], **options: object) -> tuple[str, str, bool]:
    """All text, all reasoning, and whether a stop string ended it."""
    answer = AnswerText(**options)  # type: ignore[arg-type]
    text = reasoning = ""
    for piece in pieces:
        if answer.is_stopped:
            break
        more, thought = answer.push(piece)
        text += more
        reasoning += thought
    more, thought = answer.finish()
    return text + more, reasoning + thought, answer.is_stopped


def cut(content: bytes, places: list[int]) -> list[bytes]:
    at = sorted({place % (len(content) + 1) for place in places} | {0, len(content)})
    return [content[a:b] for a, b in pairwise(at)]


@given(st.text(), st.lists(st.integers(0, 10_000), max_size=10))
def test_no_character_is_split(text: str, places: list[int]) -> None:
    pieces = cut(text.encode("utf-8", "surrogatepass"), places)
    answer = AnswerText()
    out = [answer.push(piece)[0] for piece in pieces]
    assert "".join(out) == text
    assert "\ufffd" not in "".join(out) or "\ufffd" in text


@given(st.lists(st.integers(0, 60), max_size=12))
def test_chunk_borders_change_nothing(places: list[int]) -> None:
    content = "  <think>\nwas sé I <b> </thin\n</think>\n\nthe answer 😀 <think> ENDE and END more".encode()
    expected = ("the answer 😀 <think> ENDE and ", "was sé I <b> </thin", True)
    assert run(cut(content, places), stop=("END ", "never"), reasoning_tags=THINK) == expected


def test_half_a_character_at_the_end_is_dropped() -> None:
    assert run(["é".encode()[:1]]) == ("", "", False)


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert run([b"a\xff", b"b"])[0] == "a\ufffdb"


@pytest.mark.parametrize(
    ("pieces", "stop", "text", "is_stopped"),
    [
        ([b"one tw", b"o three"], ("two",), "one ", True),
        ([b"aaab"], ("aab",), "a", True),
        ([b"ab", b"ac"], ("abab",), "abac", False),
        ([b"x END y"], ("y", "END"), "x ", True),
        ([b"almost EN"], ("END",), "almost EN", False),
        ([b"\xc3", b"\xa9 stop"], ("é",), "", True),
    ],
)
def test_stop_strings(pieces: list[bytes], stop: tuple[str, ...], text: str, is_stopped: bool) -> None:
    assert run(pieces, stop=stop) == (text, "", is_stopped)


@pytest.mark.parametrize(
    ("pieces", "stopped_by"),
    [
        ([b"x END y"], "END"),
        ([b"x E", b"ND y"], "END"),
        ([b"a y END"], "y"),
        ([b"almost EN"], None),
        ([b"ENDED"], "END"),
    ],
)
def test_the_stop_string_that_came_first_is_named(pieces: list[bytes], stopped_by: str | None) -> None:
    answer = AnswerText(stop=("y", "ENDED", "END"))
    for piece in pieces:
        answer.push(piece)
    answer.finish()
    assert answer.stopped_by == stopped_by


@pytest.mark.parametrize(
    ("content", "is_open", "text", "reasoning"),
    [
        ("<think>\nhm\n</think>\n\nyes", False, "yes", "hm"),
        ("hm</think>yes", True, "yes", "hm"),
        ("no tags at all", False, "no tags at all", ""),
        ("the tag <think> is text here</think>", False, "the tag <think> is text here</think>", ""),
        ("<think>never closed", False, "", "never closed"),
        ("<think></think>empty", False, "empty", ""),
        ("<thin ice", False, "<thin ice", ""),
        ("<thi", False, "<thi", ""),
        ("\n<think>a</think>b", False, "b", "a"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_reasoning_is_kept_apart(content: str, is_open: bool, text: str, reasoning: str, size: int) -> None:
    pieces = [content[i : i + size].encode() for i in range(0, len(content), size)]
    found = run(pieces, reasoning_tags=THINK, reasoning_open=is_open)
    assert found == (text, reasoning, False)


def test_stop_strings_do_not_look_into_reasoning() -> None:
    assert run([b"<think>stop here</think>go stop"], stop=("stop",), reasoning_tags=THINK) == ("go ", "stop here", True)


@given(st.text("ab", max_size=8), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_held_length(text: str, needles: list[str]) -> None:
    ends = [n for n in range(len(text) + 1) if any(len(s) > n and s.startswith(text[len(text) - n :]) for s in needles)]
    assert held_length(text, needles) == max(ends, default=0)


def test_tags_without_text_of_their_own_part_thinking_from_the_answer() -> None:
    answer = AnswerText(reasoning_tags=(("[A]", "[B]"),))
    pieces = [("", "[A]"), ("hm", ""), ("", "[B]"), ("", "[B]"), ("yes", ""), ("", "[A]"), (" no", "")]
    out = [answer.push(piece.encode(), tag) for piece, tag in pieces]
    assert ("".join(text for text, _ in out), "".join(thought for _, thought in out)) == ("yes no", "hm")
    assert AnswerText().push(b"", "[A]") == ("", "")
