"""OpenAI's own client against `edgellm serve` with the starter model."""

from __future__ import annotations

import base64
import json
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from edgellm.events import Finished
from edgellm.sdk.facade import EdgeLLM
from tests.live.minilm import write_minilm

openai = pytest.importorskip("openai")

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore::DeprecationWarning:openai")]

HANDBOOK = Path(__file__).resolve().parents[2] / "examples" / "ferry" / "handbook.md"
USER = [{"role": "user", "content": "Name three rivers."}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a town.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}
SCHEMA = {
    "type": "object",
    "properties": {"river": {"type": "string", "maxLength": 20}, "km": {"type": "integer", "maximum": 9999}},
    "required": ["river", "km"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own, with an embedder and a collection beside the starter."""
    home, folder = tmp_path_factory.mktemp("serving"), tmp_path_factory.mktemp("embedder")
    with EdgeLLM(home=home) as edge:
        edge.models.add(write_minilm(folder), "minilm")
        job = edge.documents("ferry").add([HANDBOOK])
        assert isinstance(list(edge.jobs.follow(job.id))[-1], Finished)
        edge.aliases.set("helpdesk", "starter+ferry")
    process = subprocess.Popen(
        [sys.executable, "-m", "edgellm", "--home", str(home), "serve", "-m", "starter", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["url"])
    finally:
        process.terminate()
        assert process.wait(20) == 0
        process.communicate()


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as made:
        yield made


def ask(client: Any, **fields: Any) -> Any:
    wanted = {"model": "starter", "messages": USER, "max_tokens": 16, "temperature": 0, **fields}
    return client.chat.completions.create(**wanted)


def test_models(client: Any) -> None:
    names = [model.id for model in client.models.list()]
    assert {"starter", "minilm", "helpdesk"} <= set(names)
    assert client.models.retrieve("starter").id == "starter"


def test_a_chat(client: Any) -> None:
    answer = ask(client)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_with_usage(client: Any) -> None:
    whole = ask(client)
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens > 0


def test_a_schema_with_parse(client: Any) -> None:
    schema = {"name": "river", "schema": SCHEMA, "strict": True}
    answer = ask(client, response_format={"type": "json_schema", "json_schema": schema}, max_tokens=80)
    found = json.loads(answer.choices[0].message.content)
    assert set(found) == {"river", "km"}


def test_a_tool_that_must_be_called(client: Any) -> None:
    asked = [{"role": "user", "content": "What is the weather in Oslo?"}]
    choice = {"type": "function", "function": {"name": "weather"}}
    answer = ask(client, messages=asked, tools=[TOOL], tool_choice=choice, max_tokens=120)
    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert (call.type, call.function.name) == ("function", "weather")
    assert isinstance(json.loads(call.function.arguments)["town"], str)
    result = [
        *asked,
        {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]},
        {"role": "tool", "tool_call_id": call.id, "content": "Rain, 4 degrees."},
    ]
    assert ask(client, messages=result, tools=[TOOL]).choices[0].message.content


def test_a_tool_in_a_stream(client: Any) -> None:
    chunks = list(ask(client, tools=[TOOL], tool_choice="required", max_tokens=120, stream=True))
    pieces = [piece for chunk in chunks for piece in chunk.choices[0].delta.tool_calls or ()]
    assert pieces[0].function.name == "weather"
    json.loads("".join(piece.function.arguments or "" for piece in pieces))
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_logprobs(client: Any) -> None:
    answer = ask(client, logprobs=True, top_logprobs=3, max_tokens=5)
    tokens = answer.choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == answer.choices[0].message.content
    assert all(token.logprob == pytest.approx(token.top_logprobs[0].logprob) for token in tokens)  # greedy


def test_completions(client: Any) -> None:
    answer = client.completions.create(model="starter", prompt="The capital of France is", max_tokens=4, temperature=0)
    assert answer.choices[0].text
    text = "".join(
        chunk.choices[0].text
        for chunk in client.completions.create(
            model="starter", prompt="The capital of France is", max_tokens=4, temperature=0, stream=True
        )
    )
    assert text == answer.choices[0].text


def test_scoring(client: Any) -> None:
    def likelihood(text: str) -> float:
        found = client.completions.create(model="starter", prompt=text, max_tokens=0, echo=True, logprobs=1)
        logprobs = found.choices[0].logprobs
        assert found.choices[0].text == text
        assert logprobs.token_logprobs[0] is None
        return float(sum(logprobs.token_logprobs[1:]))

    assert likelihood("The sky is blue.") > likelihood("The sky is Tuesday.")


def test_embeddings(client: Any) -> None:
    texts = ["a boat", "a ship", "quarterly tax report"]
    floats = client.embeddings.create(model="minilm", input=texts, encoding_format="float")
    boat, ship, tax = (item.embedding for item in floats.data)
    assert sum(a * b for a, b in zip(boat, ship, strict=True)) > sum(a * b for a, b in zip(boat, tax, strict=True))
    raw = client.with_raw_response.embeddings.create(model="minilm", input="a boat", encoding_format="base64")
    packed = json.loads(raw.text)["data"][0]["embedding"]
    assert struct.unpack("<384f", base64.b64decode(packed)) == pytest.approx(boat, abs=1e-3)
    assert floats.usage.prompt_tokens > 6


def test_errors_are_the_clients_own(client: Any) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        ask(client, model="gpt-4o")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        ask(client, temperature=9)
    assert wrong.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as long:
        ask(client, messages=[{"role": "user", "content": "word " * 20_000}])
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as vector:
        client.embeddings.create(model="starter", input="x")
    assert "chat model" in str(vector.value)


def test_a_client_that_leaves(client: Any) -> None:
    with ask(client, stream=True, max_tokens=400) as stream:
        for _ in stream:
            break
    assert ask(client, max_tokens=2).choices[0].message.content


def test_responses(client: Any) -> None:
    answer = client.responses.create(model="starter", input="Name three rivers.", max_output_tokens=16, temperature=0)
    assert answer.output_text
    kinds = [
        event.type
        for event in client.responses.create(
            model="starter", input="Name three rivers.", max_output_tokens=8, temperature=0, stream=True
        )
    ]
    assert kinds[0] == "response.created"
    assert kinds[-1] in ("response.completed", "response.incomplete")


@pytest.mark.parametrize("model", ["starter+ferry", "helpdesk"])
def test_an_answer_from_documents_brings_its_evidence(client: Any, model: str) -> None:
    asked = [{"role": "user", "content": "What do dogs pay?"}]
    answer = ask(client, model=model, messages=asked, max_tokens=60)
    evidence = answer.model_dump()["evidence"]
    assert answer.model == model
    assert evidence["citations"][0]["file"].endswith("handbook.md")
    assert evidence["text"] == answer.choices[0].message.content
    chunks = list(ask(client, model=model, messages=asked, max_tokens=60, stream=True))
    told = [chunk.model_dump()["evidence"] for chunk in chunks if "evidence" in chunk.model_dump()]
    assert [one["text"] for one in told] == [evidence["text"]]


def test_a_collection_that_is_not_there(client: Any) -> None:
    with pytest.raises(openai.NotFoundError):
        ask(client, model="starter+none")


def test_what_ollamas_clients_read_about_models(url: str) -> None:
    listed = httpx2.get(f"{url}/api/tags", timeout=30).json()["models"]
    found = {model["name"]: model for model in listed}
    assert found["starter"]["details"]["family"] == "llama"
    shown = httpx2.post(f"{url}/api/show", json={"model": "starter:latest"}, timeout=30).json()
    assert "completion" in shown["capabilities"]
    told = httpx2.get(f"{url}/api/ps", timeout=30)
    assert told.status_code == 200, told.text
    running = told.json()["models"]
    assert running[0]["name"] == "starter"
    assert running[0]["size"] > 50e6
    vectors = httpx2.post(f"{url}/api/embed", json={"model": "minilm", "input": ["a", "b"]}, timeout=30).json()
    assert [len(vector) for vector in vectors["embeddings"]] == [384, 384]


def test_how_a_client_writes_prompts_itself(url: str, client: Any) -> None:
    """As lm-eval does: template and special tokens from the server, then completions of token ids."""
    told = httpx2.get(f"{url}/tokenizer_info", timeout=30).json()
    assert "<|im_start|>" in told["chat_template"]
    assert told["eos_token"] == "<|im_end|>"
    end = httpx2.post(f"{url}/tokenize", json={"prompt": told["eos_token"]}, timeout=30).json()
    assert end["count"] == 1
    prompt = "<|im_start|>user\nName three rivers.<|im_end|>\n<|im_start|>assistant\n"
    ids = httpx2.post(f"{url}/tokenize", json={"prompt": prompt}, timeout=30).json()["tokens"]
    of_ids = client.completions.create(model="starter", prompt=ids, max_tokens=8, temperature=0).choices[0].text
    of_text = client.completions.create(model="starter", prompt=prompt, max_tokens=8, temperature=0).choices[0].text
    assert of_ids == of_text


def test_documents_are_sent_read_and_asked(url: str) -> None:
    notes = f"{url}/v1/documents/notes"
    form = {"file": ("handbook.md", HANDBOOK.read_bytes(), "text/markdown")}
    job = httpx2.post(f"{notes}/files", files=form, timeout=30).json()
    deadline = time.monotonic() + 120
    while job["status"] in ("queued", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
        job = httpx2.get(f"{notes}/jobs/{job['id']}", timeout=30).json()
    assert (job["status"], job["result"]["added"], job["error"]) == ("finished", 1, None)
    (file,) = httpx2.get(f"{notes}/files", timeout=30).json()["data"]
    assert (file["name"], file["kind"]) == ("handbook.md", "markdown")
    question = {"question": "What does a ticket cost?"}
    hits = httpx2.post(f"{notes}/search", json=question, timeout=30).json()["data"]
    assert {hit["file"] for hit in hits} == {"handbook.md"}
    answer = httpx2.post(f"{notes}/ask", json={**question, "max_tokens": 40}, timeout=120).json()
    assert answer["object"] == "chat.completion"
    assert answer["evidence"]["collection"] == "notes"
    assert httpx2.delete(notes, timeout=30).status_code == 200
    assert httpx2.get(f"{notes}/files", timeout=30).status_code == 404


def test_a_job_of_a_file_is_begun_and_ended(client: Any, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    questions = ("Which river passes the town?", "Where does the ferry land?", "When does the market open?")
    rows.write_text(
        "".join(json.dumps({"prompt": each, "completion": f"About it: {each}"}) + "\n" for each in questions)
    )
    with rows.open("rb") as sent:
        file = client.files.create(file=sent, purpose="fine-tune")
    assert client.files.content(file.id).read() == rows.read_bytes()
    assert [each.id for each in client.files.list(purpose="fine-tune")] == [file.id]
    job = client.fine_tuning.jobs.create(model="starter", training_file=file.id, suffix="lighthouse", seed=1)
    assert job.status in ("queued", "running")
    ended = client.fine_tuning.jobs.cancel(job.id)
    assert (ended.id, ended.status, ended.fine_tuned_model) == (job.id, "cancelled", None)
    assert [each.id for each in client.fine_tuning.jobs.list()] == [job.id]
    assert client.fine_tuning.jobs.list_events(job.id).data is not None
    with pytest.raises(openai.BadRequestError) as refused:
        client.fine_tuning.jobs.create(model="starter", training_file=file.id, method={"type": "dpo"})
    assert refused.value.param == "method.type"
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)
