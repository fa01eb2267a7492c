"""LangChain's OpenAI package."""

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field
from trial import KEY, QUESTION, URL, check, run

model = ChatOpenAI(base_url=f"{URL}/v1", api_key=KEY, model="starter", max_tokens=80, max_retries=0, temperature=0)


class River(BaseModel):
    """A river."""

    name: str = Field(max_length=20)
    km: int = Field(ge=1, le=9_999)


class Town(BaseModel):
    """What the weather is asked for."""

    town: str = Field(max_length=20)


@tool(args_schema=Town)
def weather(town):
    """The weather in a town."""
    return f"Rain in {town}."


def chat():
    answer = model.invoke(QUESTION)
    check(answer.content and answer.usage_metadata["output_tokens"] > 0, answer)


def stream():
    text = "".join(chunk.content for chunk in model.stream(QUESTION))
    check(text == model.invoke(QUESTION).content, text)


def batch():
    check(len(model.batch([QUESTION, "Name a sea.", "Name a town."])) == 3)


def structured():
    for method in ("json_schema", "function_calling"):
        check(isinstance(model.with_structured_output(River, method=method).invoke(QUESTION), River), method)


def tools():
    bound = model.bind_tools([weather], tool_choice="any")
    asked = HumanMessage("What is the weather in Oslo?")
    call = bound.invoke([asked])
    check(call.tool_calls[0]["name"] == "weather", call)
    result = ToolMessage(weather.invoke(call.tool_calls[0]["args"]), tool_call_id=call.tool_calls[0]["id"])
    check(model.bind_tools([weather]).invoke([asked, call, result]).content is not None)


def responses():
    newer = ChatOpenAI(
        base_url=f"{URL}/v1", api_key=KEY, model="starter", max_tokens=40, max_retries=0, use_responses_api=True
    )
    check(newer.invoke(QUESTION).text)


def embeddings():
    # Without the check it sends texts; with it, ids of a tokenizer that is not this model's.
    embedder = OpenAIEmbeddings(
        base_url=f"{URL}/v1", api_key=KEY, model="minilm", check_embedding_ctx_length=False, max_retries=0
    )
    check([len(vector) for vector in embedder.embed_documents(["a boat", "a ship"])] == [384, 384])


run(
    "langchain-openai",
    {
        "chat": chat,
        "stream": stream,
        "several at once": batch,
        "structured output": structured,
        "tools": tools,
        "responses": responses,
        "embeddings": embeddings,
    },
)
