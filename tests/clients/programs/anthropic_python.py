"""Anthropic's Python client."""

import anthropic
from trial import KEY, QUESTION, TOWN_SCHEMA, URL, check, run

client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)
USER = [{"role": "user", "content": QUESTION}]
TOOL = {"name": "weather", "description": "The weather in a town.", "input_schema": TOWN_SCHEMA}


def ask(**fields):
    return client.messages.create(**{"model": "starter", "max_tokens": 24, "messages": USER, **fields})


def message():
    answer = ask(system="You are brief.", stop_sequences=["\n\n\n"])
    check(answer.content[0].text and answer.role == "assistant", answer)
    check(answer.stop_reason in ("end_turn", "max_tokens") and answer.usage.output_tokens > 0, answer)


def stream():
    with client.messages.stream(model="starter", max_tokens=24, messages=USER) as events:
        text = "".join(events.text_stream)
        final = events.get_final_message()
    check(text and text == final.content[0].text, (text, final))
    kinds = [event.type for event in ask(stream=True)]
    check((kinds[0], kinds[-1]) == ("message_start", "message_stop"), kinds)


def tools():
    answer = ask(tools=[TOOL], tool_choice={"type": "any"}, max_tokens=100)
    call = next(block for block in answer.content if block.type == "tool_use")
    check(answer.stop_reason == "tool_use" and isinstance(call.input["town"], str), answer)
    turns = [
        *USER,
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "Rain."}]},
    ]
    check(ask(messages=turns, tools=[TOOL]).content is not None)
    with client.messages.stream(
        model="starter", max_tokens=100, messages=USER, tools=[TOOL], tool_choice={"type": "tool", "name": "weather"}
    ) as events:
        final = events.get_final_message()
    check(next(block for block in final.content if block.type == "tool_use").input["town"] is not None, final)


def counting():
    counted = client.messages.count_tokens(model="starter", messages=USER)
    usage = ask(max_tokens=1).usage
    check(counted.input_tokens == usage.input_tokens + (usage.cache_read_input_tokens or 0), (counted, usage))


def errors():
    for fields, kind in (
        ({"model": "claude"}, anthropic.NotFoundError),
        ({"extra_body": {"top_k": -5}}, anthropic.BadRequestError),
    ):
        try:
            ask(**fields)
        except kind as problem:
            check(problem.body["type"] == "error", problem.body)
        else:
            check(False, f"{fields} was answered")
    try:
        anthropic.Anthropic(base_url=URL, api_key="wrong", max_retries=0).messages.create(
            model="starter", max_tokens=1, messages=USER
        )
    except anthropic.AuthenticationError:
        return
    check(False, "a wrong key was taken")


run(
    "anthropic",
    {"messages": message, "stream": stream, "tools": tools, "token counting": counting, "errors": errors},
)
