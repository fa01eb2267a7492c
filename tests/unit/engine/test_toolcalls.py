"""Calls are told from text in every family's way of writing them, however the text is cut into pieces."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.engine.call_syntax import LLAMA, MISTRAL, TAGGED, Calling, CallSyntax, syntax_in
from edgellm.engine.json_scanner import JsonScanner
from edgellm.engine.text import AnswerText
from edgellm.engine.toolcalls import CallSplitter

NAMES = frozenset({"weather", "time_in"})
PARIS = '{"city": "Paris"}'
Found = tuple[str, list[tuple[str, str]], bool]


def calling(syntax: CallSyntax, *, is_open: bool = False) -> Calling:
    return Calling(syntax=syntax, names=NAMES, is_open=is_open)


def split(syntax: CallSyntax, pieces: Iterable[str], *, is_open: bool = False) -> Found:
    """All text, every call with its arguments, and whether a call was complete. Ids must be those that were made."""
    numbers = count()
    splitter = CallSplitter(calling(syntax, is_open=is_open), lambda: f"call_{next(numbers)}")
    text: list[str] = []
    calls: list[list[str]] = []
    for said, parts in [*map(splitter.push, pieces), splitter.finish()]:
        text.append(said)
        for part in parts:
            if part.id:
                assert (part.id, part.position) == (f"call_{len(calls)}", len(calls))
                calls.append([part.name, ""])
            assert part.position == len(calls) - 1
            calls[-1][1] += part.arguments
    return "".join(text), [(name, arguments) for name, arguments in calls], splitter.has_calls


def cut(text: str, places: Sequence[int]) -> list[str]:
    at = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    return [text[a:b] for a, b in pairwise(at)]


def tagged(body: str) -> str:
    return f"<tool_call>\n{body}\n</tool_call>"


def named(name: str = "weather", arguments: str = PARIS, key: str = "arguments") -> str:
    return f'{{"name": "{name}", "{key}": {arguments}}}'


ONE = [("weather", PARIS)]
BOTH = [("weather", PARIS), ("time_in", "{}")]
CALLS: list[tuple[CallSyntax, str, str, list[tuple[str, str]]]] = [
    (TAGGED, tagged(named()), "", ONE),
    (TAGGED, f"I look.\n\n{tagged(named())}\n", "I look.", ONE),
    (TAGGED, f"{tagged(named())}\n{tagged(named('time_in', '{}'))}", "", BOTH),
    (TAGGED, f"<tool_call>{named()}\n{named('time_in', '{}')}</tool_call>", "", BOTH),
    (TAGGED, f"<tool_call>[{named()}, {named('time_in', '{}')}]</tool_call> Done.", " Done.", BOTH),
    (TAGGED, f"<tool_call>{named(key='parameters')}</tool_call>", "", ONE),
    (TAGGED, f'<tool_call>{{"arguments": {PARIS}, "name": "weather"}}</tool_call>', "", ONE),
    (TAGGED, f'<tool_call>{{"name": "weather", "arguments": {json.dumps(PARIS)}}}</tool_call>', "", ONE),
    (TAGGED, '<tool_call>{"name": "time_in"}</tool_call>', "", [("time_in", "{}")]),
    (TAGGED, f'<tool_call>{named()[:-1]}, "id": "a}}b"}}</tool_call>', "", ONE),
    (TAGGED, f"<tool_call>{named()[:-1]}</tool_call>", "", ONE),
    (TAGGED, f"<tool_call>{named()}", "", ONE),
    (TAGGED, tagged(named(arguments='{"a": "</tool_call> \\" } {"}')), "",
     [("weather", '{"a": "</tool_call> \\" } {"}')]),
    (LLAMA, named(key="parameters"), "", ONE),
    (LLAMA, f'\n{{"type": "function", "name": "weather", "parameters": {PARIS}}}', "", ONE),
    (LLAMA, f"<|python_tag|>{named(key='parameters')}", "", ONE),
    (LLAMA, f"{named(key='parameters')}; {named('time_in', '{}', 'parameters')}", "", BOTH),
    (LLAMA, f"I look.<|python_tag|>{named(key='parameters')}", "I look.", ONE),
    (MISTRAL, f"[TOOL_CALLS] [{named()}]", "", ONE),
    (MISTRAL, f'[TOOL_CALLS] [{named()[:-1]}, "id": "abcdefghi"}}, {named("time_in", "{}")}]', "", BOTH),
    (MISTRAL, f"[TOOL_CALLS]weather[ARGS]{PARIS}", "", ONE),
    (MISTRAL, f"[TOOL_CALLS]weather[CALL_ID]abcdefghi[ARGS]{PARIS}", "", ONE),
    (MISTRAL, f"Well.[TOOL_CALLS]weather{PARIS}[TOOL_CALLS]time_in{{}}", "Well.", BOTH),
]  # fmt: skip


@pytest.mark.parametrize(("syntax", "written", "text", "calls"), CALLS, ids=range(len(CALLS)))
@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_calls_are_found(syntax: CallSyntax, written: str, text: str, calls: list[tuple[str, str]], size: int) -> None:
    pieces = [written[at : at + size] for at in range(0, len(written), size)]
    assert split(syntax, pieces) == (text, calls, True)


@pytest.mark.parametrize(("syntax", "written", "text", "calls"), CALLS, ids=range(len(CALLS)))
def test_calls_are_found_wherever_the_text_is_cut_once(
    syntax: CallSyntax, written: str, text: str, calls: list[tuple[str, str]]
) -> None:
    for at in range(len(written)):
        assert split(syntax, [written[:at], written[at:]]) == (text, calls, True)


TEXTS: list[tuple[CallSyntax, str]] = [
    (TAGGED, "An answer.\n"),
    (TAGGED, " <tool_call> is a tag </tool_call> in text "),
    (TAGGED, tagged(named("rm_rf"))),
    (TAGGED, tagged("{'name': 'weather', 'arguments': {}}")),
    (TAGGED, tagged('{"name": "weather", "arguments": {city: 1}}')),
    (TAGGED, tagged('{"name": "weather", "arguments": "no JSON"}')),
    (TAGGED, tagged('{"name": ["weather"], "arguments": {}}')),
    (TAGGED, tagged('{"name": "weather", "arguments": [1]}')),
    (TAGGED, "<tool_call>" + "[" * 5_000 + "]" * 5_000),
    (TAGGED, '<tool_call>{"name": "weather", "argu'),
    (TAGGED, "ends with <tool_c"),
    (TAGGED, named()),
    (TAGGED, " \n "),
    (LLAMA, '{"answer": 42}'),
    (LLAMA, '{"answer": "' + "long " * 100 + '"} and more'),
    (LLAMA, named("rm_rf", key="parameters")),
    (LLAMA, '{"name": "weather"}'),
    (LLAMA, f"See: {named(key='parameters')}"),
    (LLAMA, " {"),
    (MISTRAL, "[TOOL_CALLS] rm_rf[ARGS]{}"),
    (MISTRAL, "[TOOL_CALLS] weather and so on {}"),
    (MISTRAL, "[TOOL_CALLS]wea"),
    (MISTRAL, "a [TOOL_CALLS"),
]


@pytest.mark.parametrize(("syntax", "written"), TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("size", [1, 3, 100_000])
def test_what_is_no_call_stays_text_to_the_letter(syntax: CallSyntax, written: str, size: int) -> None:
    pieces = [written[at : at + size] for at in range(0, len(written), size)]
    assert split(syntax, pieces) == (written, [], False)


@pytest.mark.parametrize(
    ("written", "text", "arguments"),
    [
        ('{"city": "Par', "", '{"city": "Par'),
        ('{"city": oops}}</tool_call>', "oops}}</tool_call>", '{"city": '),
        ('{"city": [1}}</tool_call>', "}</tool_call>", '{"city": [1'),
        ('{"city": 1.2.3}}</tool_call>', "", '{"city": 1.2.3}'),
    ],
)
def test_arguments_that_break_off_are_no_complete_call_and_what_follows_is_text(
    written: str, text: str, arguments: str
) -> None:
    whole = f'<tool_call>{{"name": "weather", "arguments": {written}'
    assert split(TAGGED, whole) == (text, [("weather", arguments)], False)


def test_arguments_come_as_they_are_written() -> None:
    splitter = CallSplitter(calling(TAGGED), lambda: "call_x")
    splitter.push('<tool_call>{"name": "weather", "arguments": ')
    pieces = [splitter.push(piece)[1] for piece in ('{"ci', 'ty": "P', 'aris"}', "}</tool_call>")]
    assert [[part.arguments for part in parts] for parts in pieces] == [['{"ci'], ['ty": "P'], ['aris"}'], []]
    assert (pieces[0][0].id, pieces[0][0].name) == ("call_x", "weather")


def test_where_a_call_was_asked_for_the_answer_is_its_object() -> None:
    for syntax in (TAGGED, MISTRAL, LLAMA):
        assert split(syntax, named(key=syntax.arguments), is_open=True) == ("", ONE, True)
    assert split(TAGGED, '{"name": "weath', is_open=True) == ('{"name": "weath', [], False)


MARKS = ("<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "<|python_tag|>", "{", "}", "[", "]", '"', ",", ";")
PARTS = st.lists(
    st.sampled_from([*MARKS, named(), named(key="parameters"), '{"name": "weather", ', "weather", " ", "\n", "x", "é"]),
    max_size=12,
).map("".join)
CUTS = st.lists(st.integers(0, 10_000), max_size=12)
SYNTAXES = st.sampled_from([TAGGED, LLAMA, MISTRAL])


@given(SYNTAXES, PARTS, CUTS)
def test_it_makes_no_difference_where_the_text_is_cut(syntax: CallSyntax, written: str, places: list[int]) -> None:
    assert split(syntax, cut(written, places)) == split(syntax, [written])


@given(SYNTAXES, PARTS)
def test_no_letter_is_lost(syntax: CallSyntax, written: str) -> None:
    text, calls, _ = split(syntax, written)
    if not calls:
        assert text == written
    found = text + "".join(arguments for _, arguments in calls)
    for part in ("x", "é", PARIS):
        assert found.count(part) == written.count(part)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
                    | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)), CUTS)  # fmt: skip
def test_the_end_of_json_is_found(value: object, places: list[int]) -> None:
    written = json.dumps({"a": value}, ensure_ascii=False)
    scanner, at, whole = JsonScanner(), 0, ""
    for piece in cut(written + " and more", places):
        whole += piece
        at = at if scanner.is_done else scanner.push(whole, at)
    assert (scanner.is_done, scanner.is_broken, whole[:at]) == (True, False, written)


def test_control_tokens_that_are_marks_count_and_stop_strings_look_at_text_alone() -> None:
    answer = AnswerText(stop=("Paris", "END"), calls=CallSplitter(calling(MISTRAL), lambda: "call_x"))
    out = [answer.push(b"Well", ""), answer.push(b"", "[TOOL_CALLS]"), answer.push(f"weather{PARIS}".encode())]
    assert [text for text, _ in out] == ["Well", "", ""]
    pieces = answer.take_calls()
    assert [(piece.name, piece.arguments) for piece in pieces] == [("weather", PARIS)]
    assert (answer.has_calls, answer.is_stopped, answer.take_calls()) == (True, False, ())
    assert answer.push(b" so END here", "[UNKNOWN]") == (" so ", "")
    assert answer.is_stopped


def test_thinking_is_parted_from_calls() -> None:
    splitter = CallSplitter(calling(TAGGED), lambda: "call_x")
    answer = AnswerText(reasoning_tags=(("<think>", "</think>"),), calls=splitter)
    text, thought = answer.push(f"<think>{tagged(named())}</think>{tagged(named('time_in', '{}'))}".encode())
    assert (text, thought) == ("", tagged(named()))
    assert [(piece.name, piece.arguments) for piece in answer.take_calls()] == [("time_in", "{}")]


@pytest.mark.parametrize(
    ("template", "syntax"),
    [
        ("… {{ tools | tojson }} … <tool_call> …", TAGGED),
        ("… <tool_call> … <function=name> …", None),
        ("… [TOOL_CALLS] …", MISTRAL),
        ('… {"name": function name, "parameters": … } … ipython …', LLAMA),
        ("{{ message.content }}", None),
    ],
)
def test_a_template_says_how_calls_are_written(template: str, syntax: CallSyntax | None) -> None:
    assert syntax_in(template) is syntax
