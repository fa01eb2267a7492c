"""LiteLLM, which speaks all three dialects."""

import litellm
from trial import KEY, QUESTION, TOWN_SCHEMA, URL, check, run

USER = [{"role": "user", "content": QUESTION}]
OPENAI = {"model": "openai/starter", "api_base": f"{URL}/v1", "api_key": KEY}
ANTHROPIC = {"model": "anthropic/starter", "api_base": URL, "api_key": KEY}
# Without the header its body does not say that it is JSON, and is refused: a page could send such a one too.
TYPED = {"extra_headers": {"Content-Type": "application/json"}}
OLLAMA = {"model": "ollama_chat/starter", "api_base": URL, "api_key": KEY, **TYPED}
TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather in a town.", "parameters": TOWN_SCHEMA},
}


def chat(where):
    def attempt():
        answer = litellm.completion(**where, messages=USER, max_tokens=24)
        check(answer.choices[0].message.content, answer)
        chunks = list(litellm.completion(**where, messages=USER, max_tokens=24, stream=True))
        check("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices), chunks)

    return attempt


def tools():
    answer = litellm.completion(**OPENAI, messages=USER, tools=[TOOL], tool_choice="required", max_tokens=100)
    check(answer.choices[0].message.tool_calls[0].function.name == "weather", answer)


def embeddings():
    found = litellm.embedding(model="openai/minilm", api_base=f"{URL}/v1", api_key=KEY, input=["a boat", "a ship"])
    check(len(found.data) == 2)


def errors():
    try:
        litellm.completion(**{**OPENAI, "model": "openai/gone"}, messages=USER)
    except litellm.NotFoundError:
        return
    check(False, "an unknown model was answered")


run(
    "litellm",
    {
        "OpenAI": chat(OPENAI),
        "Anthropic": chat(ANTHROPIC),
        "Ollama": chat(OLLAMA),
        "tools": tools,
        "embeddings": embeddings,
        "errors": errors,
    },
)
