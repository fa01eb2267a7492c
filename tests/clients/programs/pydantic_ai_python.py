"""Pydantic AI's agents, over OpenAI's routes and Anthropic's."""

import asyncio

from pydantic import BaseModel, Field
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from trial import KEY, QUESTION, URL, check, run

OPENAI = OpenAIProvider(base_url=f"{URL}/v1", api_key=KEY)
SETTINGS = {"max_tokens": 80, "temperature": 0}


class River(BaseModel):
    """A river."""

    name: str = Field(max_length=20)
    km: int = Field(ge=1, le=9_999)


def answered(model):
    def attempt():
        found = Agent(model, model_settings=SETTINGS, instructions="You are brief.").run_sync(QUESTION)
        check(found.output and found.usage.output_tokens > 0, found)

    return attempt


def stream():
    async def read():
        agent = Agent(OpenAIChatModel("starter", provider=OPENAI), model_settings=SETTINGS)
        async with agent.run_stream(QUESTION) as answer:
            return [text async for text in answer.stream_text(delta=True)]

    check("".join(asyncio.run(read())))


def structured():
    agent = Agent(OpenAIChatModel("starter", provider=OPENAI), model_settings=SETTINGS, output_type=River)
    check(isinstance(agent.run_sync(QUESTION).output, River))


def tools():
    agent = Agent(OpenAIChatModel("starter", provider=OPENAI), model_settings=SETTINGS)

    @agent.tool_plain
    def weather(town: str) -> str:
        """The weather in a town."""
        return f"Rain in {town}."

    check(agent.run_sync("What is the weather in Oslo?").output is not None)


run(
    "pydantic-ai-slim",
    {
        "agent (chat)": answered(OpenAIChatModel("starter", provider=OPENAI)),
        "agent (responses)": answered(OpenAIResponsesModel("starter", provider=OPENAI)),
        "agent (Anthropic)": answered(AnthropicModel("starter", provider=AnthropicProvider(base_url=URL, api_key=KEY))),
        "stream": stream,
        "structured output": structured,
        "tools": tools,
    },
)
