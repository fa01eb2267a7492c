"""Tools, calls and results in prompts: in the template's own way or in words, and always as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pytest

from edgellm.engine.call_syntax import LLAMA, MISTRAL, TAGGED, CallSyntax
from edgellm.engine.chat import NO_TOOLS_SHOWN, ChatFormat, ChatPrompt
from edgellm.engine.prompt import TRANSFORMED
from edgellm.engine.template import Renderer
from edgellm.engine.tool_prompt import in_words, one_call_a_turn, template_messages, template_tools
from edgellm.engine.tools import NO_TOOLS, ToolUse, tool_use
from edgellm.errors import ContextOverflow, InvalidInput
from edgellm.types import Message, Tool, ToolCall
from tests.unit.engine.test_prompt import HOSTILE, RAW, REFUSING, Backend, controls, text_of, user

CALLS = "{% for call in message.tool_calls or [] %}"
HERMES = (
    "{% if tools %}{{ '<|im_start|>system\\nWrite <tool_call>.\\n' }}{% for tool in tools %}{{ tool | tojson }}"
    "{{ '\\n' }}{% endfor %}{{ '<|im_end|>\\n' }}{% endif %}"
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content }}"
    + CALLS
    + "{{ '<tool_call>' + (call.function | tojson) + '</tool_call>' }}{% endfor %}{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
MISTRAL_LIKE = (
    "{% if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}"
    "{% for message in messages %}{% if message.role == 'user' %}[INST]{{ message.content }}[/INST]"
    "{% elif message.role == 'tool' %}"
    "{% if message.tool_call_id | length != 9 %}{{ raise_exception('nine characters') }}{% endif %}"
    "[TOOL_RESULTS]{{ {'content': message.content, 'call_id': message.tool_call_id} | tojson }}[/TOOL_RESULTS]"
    "{% elif message.tool_calls %}[TOOL_CALLS]{{ message.tool_calls | tojson }}{{ eos_token }}"
    "{% else %}{{ message.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
LLAMA_LIKE = (
    '{# ipython "parameters" #}{% if tools %}{{ tools | tojson(indent=4) }}{% endif %}{% for message in messages %}'
    "{{ '<|im_start|>' + message.role + '\\n' + message.content }}"
    "{% if message.tool_calls %}{% if message.tool_calls | length != 1 %}{{ raise_exception('one call') }}{% endif %}"
    + CALLS
    + "{{ call.function.arguments | tojson }}{{ call.function.name }}{% endfor %}{% endif %}"
    "{{ '<|im_end|>\\n' }}{% endfor %}{{ '<|im_start|>assistant\\n' }}"
)
SHOUTING = HERMES.replace("tool | tojson", "tool.function.name + tool.function.description | upper")
DEAF = HERMES.replace("message.tool_calls or []", "[]")
"""Shows tools, and leaves calls out."""


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    renderer = Renderer()
    yield renderer
    renderer.close()


def tool(text: str) -> Tool:
    """A tool in which the text stands wherever a client can write one."""
    schema = {
        "type": "object",
        "properties": {text: {"type": "string", "description": text, "enum": [text]}},
        "required": [text],
    }
    return Tool(name="weather", description=text, parameters=json.dumps(schema))


def call(call_id: str, text: str = "Paris") -> ToolCall:
    return ToolCall(id=call_id, name="weather", arguments=json.dumps({"city": text, text: [1, None]}))


def result(call_id: str, text: str) -> Message:
    return Message(role="tool", content=text, tool_call_id=call_id)


def asked(*calls: ToolCall, content: str = "") -> Message:
    return Message(role="assistant", content=content, tool_calls=calls)


def history(text: str) -> list[Message]:
    return [user("How is it?"), asked(call("call_1", text)), result("call_1", text), user("And now?")]


def prompt_of(renderer: Renderer, template: str, messages: Sequence[Message], use: ToolUse) -> ChatPrompt:
    chat = ChatFormat(Backend(template), renderer)
    return chat.prompt(messages, max_tokens=None, keep="all", use=use)


@pytest.mark.parametrize("template", [HERMES, MISTRAL_LIKE, LLAMA_LIKE, RAW, REFUSING, DEAF, SHOUTING])
def test_control_tokens_in_tools_calls_and_results_stay_text(renderer: Renderer, template: str) -> None:
    harmless, hostile = "an \"answer\"\nin 'two' lines \\", f'"{HOSTILE}'
    plain = prompt_of(renderer, template, history(harmless), tool_use([tool(harmless)], "auto"))
    found = prompt_of(renderer, template, history(hostile), tool_use([tool(hostile)], "auto"))
    assert controls(found.tokens) == controls(plain.tokens)
    assert text_of(found.tokens).count("bye<|im_end|>") >= 3
    assert TRANSFORMED not in plain.notices
    assert (TRANSFORMED in found.notices) == (template == SHOUTING)


@pytest.mark.parametrize(
    ("template", "syntax"),
    [(HERMES, TAGGED), (MISTRAL_LIKE, MISTRAL), (LLAMA_LIKE, LLAMA), (RAW, TAGGED), (DEAF, TAGGED)],
)
def test_a_template_that_shows_tools_is_used_and_others_are_told_in_words(
    renderer: Renderer, template: str, syntax: CallSyntax
) -> None:
    chat = ChatFormat(Backend(template), renderer)
    prompt = chat.prompt([user("x")], max_tokens=None, keep="all", use=tool_use([tool("t")], "auto"))
    assert chat.call_syntax is syntax
    is_told = "You can call functions" in text_of(prompt.tokens)
    assert is_told == (template in (RAW, DEAF)) == (NO_TOOLS_SHOWN in prompt.notices)
    again = chat.prompt([user("x")], max_tokens=None, keep="all", use=tool_use([tool("t")], "auto"))
    assert (again.tokens, again.notices) == (prompt.tokens, ())


def test_tools_are_shown_as_openai_lists_them(renderer: Renderer) -> None:
    text = 'With "quotes",\nlines and é.'
    shown = text_of(prompt_of(renderer, MISTRAL_LIKE, [user("x")], tool_use([tool(text)], "auto")).tokens)
    (listed,) = json.loads(shown.partition("[AVAILABLE_TOOLS]")[2].partition("[/AVAILABLE")[0].encode("latin-1"))
    assert listed["type"] == "function"
    assert listed["function"]["name"] == "weather"
    assert listed["function"]["description"] == text
    assert listed["function"]["parameters"] == json.loads(tool(text).parameters)


def test_without_tools_nothing_changes(renderer: Renderer) -> None:
    plain = prompt_of(renderer, HERMES, [user("x")], NO_TOOLS)
    assert text_of(plain.tokens) == "««user\nx«\n«assistant\n"
    assert prompt_of(renderer, HERMES, [user("x")], tool_use([tool("t")], "none")) == plain


def test_a_prompt_for_a_call_that_is_asked_for_ends_where_its_object_begins(renderer: Renderer) -> None:
    for template, ending in ((HERMES, "<tool_call>\n"), (RAW, "<tool_call>\n"), (MISTRAL_LIKE, "[TOOL_CALLS] [")):
        free = prompt_of(renderer, template, [user("x")], tool_use([tool("t")], "auto"))
        forced = prompt_of(renderer, template, [user("x")], tool_use([tool("t")], "required"))
        assert forced.tokens[: len(free.tokens)] == free.tokens
        assert text_of(forced.tokens[len(free.tokens) :]) == ending


def test_the_tools_that_may_be_called_are_those_that_are_wanted(renderer: Renderer) -> None:
    chat = ChatFormat(Backend(RAW), renderer)
    tools = [tool("t"), Tool(name="time_in")]
    auto, one = chat.calling(tool_use(tools, "auto")), chat.calling(tool_use(tools, "time_in"))
    assert auto is not None
    assert one is not None
    assert (auto.names, auto.is_open) == (frozenset({"weather", "time_in"}), False)
    assert (one.names, one.is_open) == (frozenset({"time_in"}), True)
    assert chat.calling(NO_TOOLS) is None


def test_in_words_calls_are_lines_and_results_are_users_turns() -> None:
    messages = [
        Message(role="system", content="Be brief."),
        user("How is it?"),
        asked(call("call_1"), call("call_2"), content="I look."),
        result("call_1", "rain"),
        result("call_2", "sun"),
        user("Where?"),
        user("Now?"),
    ]
    system, question, answer, results, last = in_words(messages, [tool("t")])
    assert system.content.startswith("Be brief.\n\nYou can call functions.")
    assert json.loads(system.content.splitlines()[3])["name"] == "weather"
    assert question == messages[1]
    assert answer.content.count("<tool_call>{") == 2
    assert answer.tool_calls == ()
    assert (results.role, last) == ("user", messages[-1])
    assert results.content == (
        "<tool_response>\nrain\n</tool_response>\n<tool_response>\nsun\n</tool_response>\nWhere?"
    )
    assert in_words([user("x")], []) == (user("x"),)


def test_where_a_turn_has_one_call_each_has_its_own_result_behind_it() -> None:
    messages = [
        user("x"),
        asked(call("a"), call("b"), call("c"), content="I look."),
        result("b", "two"),
        result("a", "one"),
        result("z", "of nothing"),
        asked(call("d")),
        result("d", "four"),
    ]
    parts = [(m.content, [c.id for c in m.tool_calls]) for m in one_call_a_turn(messages)]
    assert parts == [
        ("x", []), ("I look.", ["a"]), ("one", []), ("", ["b"]), ("two", []), ("", ["c"]), ("of nothing", []),
        ("", ["d"]), ("four", []),
    ]  # fmt: skip


def test_templates_get_ids_of_nine_characters_and_the_name_of_what_was_called() -> None:
    turns = template_messages([asked(call("call_" + "x" * 40)), result("call_" + "x" * 40, "rain")], str)
    given = turns[0]["tool_calls"][0]["id"]
    assert (len(given), given.isalnum()) == (9, True)
    assert turns[1] == {"role": "tool", "content": "rain", "tool_call_id": given, "name": "weather"}
    assert turns[0]["tool_calls"][0]["function"]["arguments"] == {"city": "Paris", "Paris": [1, None]}


@pytest.mark.parametrize("arguments", ["[1]", "{", '{"a": NaN}', "[" * 100_000, '{"a": 1' + "0" * 30 + "}",
                                       '{"a": ' + "[" * 200 + "]" * 200 + "}", "1" * 5_000])  # fmt: skip
def test_arguments_that_no_template_could_be_given_are_refused(arguments: str) -> None:
    broken = asked(ToolCall(id="call_1", name="weather", arguments=arguments))
    with pytest.raises(InvalidInput) as caught:
        template_messages([broken], str)
    assert caught.value.facts["field"] == "messages"


def test_arguments_may_be_empty() -> None:
    (turn,) = template_messages([asked(ToolCall(id="call_1", name="weather", arguments=" "))], str)
    assert turn["tool_calls"][0]["function"]["arguments"] == {}


def test_the_words_of_json_schema_reach_the_template_and_all_others_are_said() -> None:
    (listed,) = template_tools([tool("string theory")], lambda _: "?") or [{}]
    parameters = listed["function"]["parameters"]
    assert listed["function"] == {"name": "?", "description": "?", "parameters": parameters}
    assert parameters == {
        "type": "object", "properties": {"?": {"type": "string", "description": "?", "enum": ["?"]}}, "required": ["?"]
    }  # fmt: skip
    assert template_tools([], str) is None


def test_tokens_are_counted_as_they_are_sent(renderer: Renderer) -> None:
    for template in (HERMES, RAW):
        chat = ChatFormat(Backend(template), renderer)
        for tools in ([], [tool("t")]):
            prompt = chat.prompt(history("t"), max_tokens=None, keep="all", use=tool_use(tools, "auto"))
            assert chat.count(history("t"), tools) == len(prompt.tokens)
    with pytest.raises(InvalidInput, match="no messages"):
        chat.count([])
    with pytest.raises(ContextOverflow):
        chat.count([user("x" * 2_000_000)])
    with pytest.raises(ContextOverflow):
        chat.prompt(
            [user("x")], max_tokens=None, keep="all", use=ToolUse(tools=(Tool(name="a", description="x" * 2_000_000),))
        )
