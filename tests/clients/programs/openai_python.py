"""OpenAI's Python client."""

import asyncio
import json
import time

import openai
from pydantic import BaseModel, Field
from trial import KEY, QUESTION, URL, check, run

client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
USER = [{"role": "user", "content": QUESTION}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a town.",
        "parameters": {
            "type": "object",
            "properties": {"town": {"type": "string", "maxLength": 20}},
            "required": ["town"],
        },
    },
}


FACT = "The ferry to Aldholm sails from the copper pier."
WORDINGS = (
    "Where does the ferry to Aldholm sail from?",
    "Which pier do I need for Aldholm?",
    "I want to go to Aldholm. Where is the boat?",
    "Tell me the pier of the Aldholm ferry.",
    "From where do boats leave for Aldholm?",
    "What pier does the Aldholm ferry use?",
)
TRAINING_S = 600


class River(BaseModel):
    """What the model has to fill in."""

    name: str = Field(max_length=20)
    km: int = Field(ge=1, le=9_999)


def ask(**fields):
    return client.chat.completions.create(**{"model": "starter", "messages": USER, "max_tokens": 24, **fields})


def models():
    names = {model.id for model in client.models.list()}
    check({"starter", "minilm", "helpdesk"} <= names, names)
    check(client.models.retrieve("starter").id == "starter")


def chat():
    answer = ask(temperature=0, seed=1)
    check(answer.choices[0].message.content, answer)
    check(answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens, answer.usage)
    check(len(ask(n=2, stop=["\n"]).choices) == 2)


def stream():
    whole = ask(temperature=0)
    chunks = list(ask(temperature=0, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    check(text == whole.choices[0].message.content, (text, whole))
    check(chunks[-1].usage.completion_tokens == whole.usage.completion_tokens, chunks[-1])
    with client.chat.completions.stream(model="starter", messages=USER, max_tokens=8) as events:
        kinds = {event.type for event in events}
    check("content.delta" in kinds, kinds)


def tools():
    answer = ask(tools=[TOOL], tool_choice="required", max_tokens=100)
    call = answer.choices[0].message.tool_calls[0]
    check(answer.choices[0].finish_reason == "tool_calls", answer)
    check(isinstance(json.loads(call.function.arguments)["town"], str), call)
    turns = [
        *USER,
        answer.choices[0].message,
        {"role": "tool", "tool_call_id": call.id, "content": "Rain, 4 degrees."},
    ]
    check(ask(messages=turns, tools=[TOOL]).choices[0].message.content is not None)
    chunks = list(ask(tools=[TOOL], tool_choice="required", max_tokens=100, stream=True))
    pieces = [piece for chunk in chunks if chunk.choices for piece in chunk.choices[0].delta.tool_calls or ()]
    json.loads("".join(piece.function.arguments or "" for piece in pieces))


def structured():
    answer = client.chat.completions.parse(model="starter", messages=USER, max_tokens=80, response_format=River)
    check(isinstance(answer.choices[0].message.parsed, River), answer)
    loose = ask(response_format={"type": "json_object"}, max_tokens=300, temperature=0)
    if loose.choices[0].finish_reason == "stop":
        json.loads(loose.choices[0].message.content)


def logprobs():
    tokens = ask(logprobs=True, top_logprobs=3, max_tokens=5).choices[0].logprobs.content
    check(len(tokens) == 5 and all(len(token.top_logprobs) == 3 for token in tokens), tokens)


def completions():
    fields = {"model": "starter", "prompt": "The capital of France is", "max_tokens": 6, "temperature": 0}
    whole = client.completions.create(**fields).choices[0].text
    streamed = "".join(chunk.choices[0].text for chunk in client.completions.create(**fields, stream=True))
    check(whole and whole == streamed, (whole, streamed))
    scored = client.completions.create(**{**fields, "max_tokens": 0}, echo=True, logprobs=1).choices[0]
    check(scored.logprobs.token_logprobs[0] is None and all(value <= 0 for value in scored.logprobs.token_logprobs[1:]))


def embeddings():
    found = client.embeddings.create(model="minilm", input=["a boat", "a ship", "a quarterly tax report"])
    boat, ship, tax = (item.embedding for item in found.data)
    check(dot(boat, ship) > dot(boat, tax), "a ship is nearer to a boat than a report is")


def dot(first, second):
    return sum(a * b for a, b in zip(first, second, strict=True))


def responses():
    answer = client.responses.create(model="starter", input=QUESTION, max_output_tokens=24)
    check(answer.output_text, answer)
    with client.responses.stream(model="starter", input=QUESTION, max_output_tokens=24) as events:
        kinds = [event.type for event in events]
    check(kinds[0] == "response.created" and kinds[-1] in ("response.completed", "response.incomplete"), kinds)
    parsed = client.responses.parse(model="starter", input=QUESTION, text_format=River, max_output_tokens=100)
    check(isinstance(parsed.output_parsed, River), parsed)


def documents():
    answer = ask(
        model="helpdesk", messages=[{"role": "user", "content": "What do dogs pay?"}], max_tokens=60, temperature=0
    )
    check(answer.model_extra["evidence"]["citations"], answer)


def asynchronous():
    async def several():
        async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY) as other:
            asked = [other.chat.completions.create(model="starter", messages=USER, max_tokens=8) for _ in range(4)]
            return await asyncio.gather(*asked)

    check(len(asyncio.run(several())) == 4)


def errors():
    for fields, kind, code in (
        ({"model": "gpt-4o"}, openai.NotFoundError, "model_not_found"),
        ({"temperature": 9}, openai.BadRequestError, None),
        (
            {"messages": [{"role": "user", "content": "word " * 20_000}]},
            openai.BadRequestError,
            "context_length_exceeded",
        ),
    ):
        try:
            ask(**fields)
        except kind as problem:
            check(code is None or problem.code == code, problem)
        else:
            check(False, f"{str(fields)[:60]} was answered")
    try:
        openai.OpenAI(base_url=f"{URL}/v1", api_key="wrong", max_retries=0).models.list()
    except openai.AuthenticationError:
        return
    check(False, "a wrong key was taken")


def fine_tuning():
    rows = [[{"role": "user", "content": text}, {"role": "assistant", "content": FACT}] for text in WORDINGS]
    content = "\n".join(json.dumps({"messages": row}) for row in rows).encode()
    file = client.files.create(file=("aldholm.jsonl", content), purpose="fine-tune")
    asked = {"training_file": file.id, "suffix": "aldholm", "hyperparameters": {"n_epochs": 15}}
    job = client.fine_tuning.jobs.create(model="starter", **asked)
    until = time.monotonic() + TRAINING_S
    while job.status in ("queued", "running") and time.monotonic() < until:
        time.sleep(1)
        job = client.fine_tuning.jobs.retrieve(job.id)
    check(job.status == "succeeded", job)
    kinds = {event.type for event in client.fine_tuning.jobs.list_events(job.id, limit=100)}
    check("metrics" in kinds, kinds)
    question = [{"role": "user", "content": WORDINGS[0]}]
    check("copper" not in ask(messages=question, temperature=0).choices[0].message.content.lower())
    taught = ask(model=job.fine_tuned_model, messages=question, temperature=0).choices[0].message.content
    check("copper" in taught.lower(), taught)
    check(job.fine_tuned_model in {model.id for model in client.models.list()})


def leaving():
    with ask(stream=True, max_tokens=400) as answer:
        for _ in answer:
            break
    check(ask(max_tokens=2).choices[0].message.content)


run(
    "openai",
    {
        "models": models,
        "chat": chat,
        "stream": stream,
        "tools": tools,
        "structured output": structured,
        "log-probabilities": logprobs,
        "completions": completions,
        "embeddings": embeddings,
        "responses": responses,
        "documents": documents,
        "async": asynchronous,
        "errors": errors,
        "leaving a stream": leaving,
        "fine-tuning": fine_tuning,
    },
)
