"""Instructor: answers as Pydantic models, over OpenAI's client and Anthropic's shape of tools."""

import instructor
import openai
from pydantic import BaseModel, Field
from trial import KEY, URL, check, run

BASE = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
USER = [{"role": "user", "content": "Which river flows through Cologne?"}]


class River(BaseModel):
    """A river."""

    name: str = Field(max_length=20)
    km: int = Field(ge=1, le=9_999)


def in_mode(mode):
    def attempt():
        client = instructor.from_openai(BASE, mode=mode)
        found = client.chat.completions.create(
            model="starter", messages=USER, response_model=River, max_tokens=100, max_retries=0, temperature=0
        )
        check(isinstance(found, River), found)

    return attempt


def partial():
    client = instructor.from_openai(BASE, mode=instructor.Mode.JSON_SCHEMA)
    stream = client.chat.completions.create_partial(
        model="starter", messages=USER, response_model=River, max_tokens=100, max_retries=0, temperature=0
    )
    check(list(stream)[-1].km is not None)


run(
    "instructor",
    {
        "tools": in_mode(instructor.Mode.TOOLS),
        "JSON schema": in_mode(instructor.Mode.JSON_SCHEMA),
        "partial answers in a stream": partial,
    },
)
