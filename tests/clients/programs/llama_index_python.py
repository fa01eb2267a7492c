"""LlamaIndex with its client for servers that are like OpenAI's."""

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel, Field
from trial import KEY, QUESTION, URL, check, run

model = OpenAILike(
    model="starter",
    api_base=f"{URL}/v1",
    api_key=KEY,
    context_window=4096,
    is_chat_model=True,
    is_function_calling_model=True,
    max_tokens=80,
    max_retries=0,
    temperature=0,
)
USER = [ChatMessage(role="user", content=QUESTION)]


class River(BaseModel):
    """A river."""

    name: str = Field(max_length=20)
    km: int = Field(ge=1, le=9_999)


def weather(town: str) -> str:
    """The weather in a town."""
    return f"Rain in {town}."


def chat():
    check(model.chat(USER).message.content)


def stream():
    parts = list(model.stream_chat(USER))
    check(parts[-1].message.content == model.chat(USER).message.content, parts[-1])


def complete():
    plain = OpenAILike(
        model="starter", api_base=f"{URL}/v1", api_key=KEY, is_chat_model=False, max_tokens=8, max_retries=0
    )
    check(plain.complete("The capital of France is").text)
    check("".join(part.delta or "" for part in plain.stream_complete("The capital of France is")))


def structured():
    check(isinstance(model.as_structured_llm(River).chat(USER).raw, River))


def tools():
    answer = model.chat_with_tools([FunctionTool.from_defaults(weather)], user_msg=QUESTION, tool_required=True)
    calls = model.get_tool_calls_from_response(answer)
    check(calls[0].tool_name == "weather", calls)


def embeddings():
    embedder = OpenAILikeEmbedding(model_name="minilm", api_base=f"{URL}/v1", api_key=KEY, max_retries=0)
    check(len(embedder.get_text_embedding("a boat")) == 384)
    check(len(embedder.get_text_embedding_batch(["a boat", "a ship"])) == 2)


run(
    "llama-index-llms-openai-like",
    {
        "chat": chat,
        "stream": stream,
        "completions": complete,
        "structured output": structured,
        "tools": tools,
        "embeddings": embeddings,
    },
)
