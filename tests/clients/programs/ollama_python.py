"""Ollama's Python client."""

import json

import ollama
from trial import KEY, QUESTION, TOWN_SCHEMA, URL, check, run

client = ollama.Client(host=URL, headers={"Authorization": f"Bearer {KEY}"})
USER = [{"role": "user", "content": QUESTION}]
SHORT = {"num_predict": 24, "temperature": 0}
TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather in a town.", "parameters": TOWN_SCHEMA},
}


def models():
    listed = {model.model for model in client.list().models}
    check("starter" in listed, listed)
    check("completion" in client.show("starter").capabilities)
    client.chat("starter", messages=USER, options={"num_predict": 1})
    check("starter" in {model.model for model in client.ps().models}, client.ps())


def chat():
    answer = client.chat("starter", messages=USER, options=SHORT)
    check(answer.message.content and answer.done and answer.eval_count > 0, answer)


def stream():
    whole = client.chat("starter", messages=USER, options=SHORT).message.content
    parts = list(client.chat("starter", messages=USER, options=SHORT, stream=True))
    check("".join(part.message.content for part in parts) == whole, parts)
    check(parts[-1].done and parts[-1].done_reason in ("stop", "length"), parts[-1])


def generate():
    whole = client.generate("starter", QUESTION, options=SHORT).response
    streamed = "".join(part.response for part in client.generate("starter", QUESTION, options=SHORT, stream=True))
    check(whole and whole == streamed, (whole, streamed))


def structured():
    answer = client.chat("starter", messages=USER, format=TOWN_SCHEMA, options={"num_predict": 60})
    check(isinstance(json.loads(answer.message.content)["town"], str), answer)


def tools():
    answer = client.chat("starter", messages=USER, tools=[TOOL], options={"num_predict": 60})
    check(answer.message.content or answer.message.tool_calls, answer)
    turns = [
        *USER,
        {"role": "assistant", "tool_calls": [{"function": {"name": "weather", "arguments": {"town": "Oslo"}}}]},
        {"role": "tool", "tool_name": "weather", "content": "Rain."},
    ]
    check(client.chat("starter", messages=turns, tools=[TOOL], options=SHORT).done)


def embeddings():
    found = client.embed("minilm", ["a boat", "a ship"]).embeddings
    check([len(vector) for vector in found] == [384, 384])
    check(len(client.embeddings("minilm", "a boat").embedding) == 384)


def errors():
    for attempt, status in (
        (lambda: client.chat("gone", messages=USER), 404),
        (lambda: client.chat("starter", messages=USER, options={"temperature": -9}), 400),
        (lambda: ollama.Client(host=URL, headers={"Authorization": "Bearer x"}).list(), 401),
    ):
        try:
            attempt()
        except ollama.ResponseError as problem:
            check(problem.status_code == status and problem.error, problem)
        else:
            check(False, f"{status} was expected")


run(
    "ollama",
    {
        "models": models,
        "chat": chat,
        "stream": stream,
        "generate": generate,
        "structured output": structured,
        "tools": tools,
        "embeddings": embeddings,
        "errors": errors,
    },
)
