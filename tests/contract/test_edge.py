"""What holds for EdgeLLM in this program holds for a server of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgellm.errors import ContextOverflow, InvalidInput, InvalidSchema, MissingExtra, ModelNotFound, NotFound
from edgellm.retrieval.embed import recall
from edgellm.retrieval.ingest.ingest import Ingest
from edgellm.retrieval.shelf import CollectionShelf
from edgellm.retrieval.values import Filters
from edgellm.sdk.addressing import target_of
from edgellm.sdk.eval_subjects import LocalSubject, RemoteSubject
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.jobs import Jobs
from edgellm.sdk.remote import RemoteEdgeLLM
from edgellm.sdk.remote.chunks import read_answer
from edgellm.settings import Settings
from edgellm.store import JobState
from edgellm.types import Constraint, Delta, FinishReason, Message, Sampling, Tool, ToolCall
from tests.unit.retrieval.fakes import WordEmbedder, parse
from tests.unit.server.reading import read_here
from tests.unit.server.serving import served

MODEL = "fake:decode_row_s=0.002"
GREEDY = Sampling(temperature=0, max_tokens=12)
FARES = "A single ticket for the ferry costs nine crowns."
LONG = Sampling(temperature=0, max_tokens=900, logit_bias={257: -100})  # the fake's token that ends a turn
Edge = EdgeLLM | RemoteEdgeLLM


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Edge]]:
    home, folder = tmp_path_factory.mktemp("contract"), tmp_path_factory.mktemp("documents")
    (folder / "fares.txt").write_text(FARES)
    with (
        EdgeLLM(MODEL, home=home, settings=Settings(context_tokens=1024)) as local,
        served(local) as server,
        EdgeLLM.remote(server.url) as remote,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(recall, "open_for", lambda _identity, **_places: WordEmbedder())
        with CollectionShelf(local.home).open_or_create("ferry", lambda: WordEmbedder.identity) as collection:
            Ingest(collection, WordEmbedder, lambda _event: None, parse).run([folder])
        yield {"local": local, "remote": remote}


@pytest.fixture(params=["local", "remote"])
def edge(both: dict[str, Edge], request: pytest.FixtureRequest) -> Edge:
    return both[request.param]


def test_both_write_the_same(both: dict[str, Edge]) -> None:
    written = [each.chat("Tell me about ferries.", sampling=GREEDY) for each in both.values()]
    assert written[0].text == written[1].text
    assert written[0].usage.completion_tokens == written[1].usage.completion_tokens == 12
    assert written[0].finish_reason == written[1].finish_reason == FinishReason.LENGTH
    assert written[1].message_id is not None


def test_a_conversation_with_a_system_message_is_sent_whole(both: dict[str, Edge]) -> None:
    turns = [Message(role="user", content="One."), Message(role="assistant", content="Two.")]
    turns.append(Message(role="user", content="Three?"))
    written = [each.chat(turns, system="Be brief.", sampling=GREEDY) for each in both.values()]
    assert written[0].text == written[1].text
    assert written[0].usage.prompt_tokens == written[1].usage.prompt_tokens


def test_a_stream_says_what_the_reply_holds(edge: Edge) -> None:
    stream = edge.chat("Tell me more.", stream=True, sampling=GREEDY)
    text = "".join(event.text for event in stream if isinstance(event, Delta))
    assert text == stream.reply.text
    assert stream.reply.timings.ttft_s > 0


async def test_a_stream_is_read_by_an_event_loop_too(edge: Edge) -> None:
    stream = edge.chat("Tell me more.", stream=True, sampling=GREEDY)
    text = "".join([event.text async for event in stream if isinstance(event, Delta)])
    assert text == stream.reply.text


def test_a_cancelled_answer_keeps_its_text(edge: Edge) -> None:
    stream = edge.chat("Write a long story.", stream=True, sampling=LONG)
    for event in stream:
        if isinstance(event, Delta) and event.text:
            stream.cancel()
    assert stream.reply.finish_reason is FinishReason.CANCELLED
    assert stream.reply.text


def test_a_deadline_cuts_the_answer(edge: Edge) -> None:
    reply = edge.chat("Write a long story.", sampling=LONG, deadline_s=0.2)
    assert reply.finish_reason is FinishReason.DEADLINE


def test_several_answers_have_their_own_texts(edge: Edge) -> None:
    reply = edge.chat("Go.", sampling=Sampling(temperature=1, seed=7, n=3, max_tokens=8))
    assert len(reply.choices) == 3
    assert len({choice.text for choice in reply.choices}) > 1


def test_a_text_and_its_token_ids_are_gone_on_with_alike(edge: Edge) -> None:
    text = "The ferry leaves"
    ids = [token.id for token in edge.tokenize(text, special=True)]
    assert edge.complete(ids, sampling=GREEDY).choices[0].finish_reason is FinishReason.LENGTH
    assert edge.complete(text, sampling=GREEDY).text
    assert edge.detokenize(ids) == text


def test_log_probabilities_of_what_was_written(edge: Edge) -> None:
    reply = edge.chat("Go.", sampling=Sampling(temperature=0, max_tokens=4, logprobs=3))
    traces = reply.choices[0].tokens
    assert len(traces) == 4
    assert all(len(trace.alternatives) == 3 and trace.logprob <= 0 for trace in traces)


def test_a_conversation_is_counted(edge: Edge, both: dict[str, Edge]) -> None:
    call = ToolCall(id="1", name="fare", arguments='{"to":"Oban"}')
    turns = [
        Message(role="system", content="Be brief."),
        Message(role="user", content="One."),
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="12 pounds", tool_call_id="1"),
        Message(role="assistant", content="Twelve."),
        Message(role="user", content="And back?"),
    ]
    tools = [Tool(name="fare", description="A fare.")]
    assert edge.count(turns, tools=tools) == both["local"].count(turns, tools=tools) > edge.count(turns[1:2]) > 0
    assert edge.count(turns) < edge.count(turns, tools=tools)
    with pytest.raises(InvalidInput):
        edge.count([])


def test_a_text_is_scored(both: dict[str, Edge]) -> None:
    ids = [token.id for token in both["local"].tokenize("The ferry leaves")]
    local, remote = (each.score(ids, alternatives=2) for each in both.values())
    assert [trace.logprob for trace in remote.tokens] == pytest.approx([trace.logprob for trace in local.tokens])
    assert remote.first.text == local.first.text
    assert not any(math.isnan(trace.logprob) for trace in remote.tokens)


def test_an_answer_is_found_in_its_conversation(edge: Edge, both: dict[str, Edge]) -> None:
    turns = [Message(role="user", content="One."), Message(role="assistant", content="Two.")]
    turns += [Message(role="user", content="Three?"), Message(role="assistant", content="Four.")]
    found = edge.answer_tokens(turns)
    assert found == both["local"].answer_tokens(turns)
    assert edge.detokenize(found.tokens[found.start : found.end]) == "Four."
    with pytest.raises(InvalidInput, match="does not end with an answer"):
        edge.answer_tokens(turns[:3])


def test_a_judged_server_is_weighed_as_the_model_itself(both: dict[str, Edge]) -> None:
    """Multiple choice, pairs and perplexity say the same of a model, wherever it runs."""
    local, remote = both["local"], both["remote"]
    assert isinstance(local, EdgeLLM)
    assert isinstance(remote, RemoteEdgeLLM)
    here = LocalSubject(local.evals.means, MODEL, target_of(MODEL))
    there = RemoteSubject(remote.url, "run", {})
    try:
        assert there.can_weigh
        asked = [Message(role="user", content="Where does the ferry go?")]
        for messages, text in ((asked, "To Oban."), (asked, "Nowhere"), ([], "The ferry leaves at noon. " * 20)):
            ours, theirs = here.likelihood(messages, text), there.likelihood(messages, text)
            assert theirs.nats == pytest.approx(ours.nats)
            assert theirs.tokens == ours.tokens > 1
    finally:
        there.close()


@pytest.mark.parametrize("answer", [None, [3], [2, 1], [0, 2], [1, 99], ["1", "2"], "12"])
def test_a_server_that_says_something_else_is_not_believed(answer: object) -> None:
    with pytest.raises(ValueError, match=r"\$|no place|Expected"):
        read_answer({"tokens": [1, 2, 3], "answer": answer})


def test_documents_are_searched_and_asked(edge: Edge) -> None:
    ferry = edge.documents("ferry")
    assert [Path(file.name).name for file in ferry.files()] == ["fares.txt"]
    (hit,) = ferry.search("What does a ticket cost?")
    assert (hit.text, hit.start) == (FARES, 0)
    assert ferry.search("ticket", filters=Filters(kinds=("pdf",))) == []
    reply = ferry.ask("What does a ticket cost?", sampling=GREEDY)
    assert reply.evidence is not None
    assert (reply.evidence.collection, reply.evidence.passages) == ("ferry", 1)
    weak = ferry.ask("Zebra quantum molybdenum?", stream=True, sampling=GREEDY).finish()
    assert weak.evidence is not None
    assert weak.evidence.is_weak
    with pytest.raises(NotFound):
        edge.documents("none").search("x")


def test_what_is_wrong_is_the_same_error(edge: Edge) -> None:
    with pytest.raises(ModelNotFound):
        edge.chat("Hello", model="no-such-model")
    with pytest.raises(InvalidInput):
        edge.chat("Hello", sampling=Sampling(temperature=9))
    with pytest.raises(InvalidInput):
        edge.chat([])
    with pytest.raises(InvalidSchema):
        edge.chat("Hello", constraint=Constraint(kind="json_schema", text='{"type": "nothing"}'))
    with pytest.raises(ContextOverflow):
        edge.chat("word " * 3000, keep="all")
    with pytest.raises(TypeError, match="Did you mean"):
        edge.chat("Hello", smpling=None)  # type: ignore[call-overload]


def test_sessions_and_tenants_are_not_the_clients_to_choose(both: dict[str, Edge]) -> None:
    for name in ("session", "parent", "tenant"):
        with pytest.raises(InvalidInput, match=name):
            both["remote"].chat("Hello", **{name: "x"})  # type: ignore[call-overload]


def test_an_answer_is_rated(both: dict[str, Edge]) -> None:
    remote = both["remote"]
    assert isinstance(remote, RemoteEdgeLLM)
    reply = remote.chat("Hello", sampling=GREEDY)
    assert reply.message_id is not None
    remote.rate(reply.message_id, -1, "It should have been this.")
    with pytest.raises(NotFound):
        remote.rate("chatcmpl-other", 1)
    again = remote.chat("Hello", sampling=Sampling(seed=5, max_tokens=8))
    assert again.message_id is not None
    remote.rate(again.message_id, replaces=reply.message_id)
    with pytest.raises(NotFound):
        remote.rate(again.message_id, replaces="chatcmpl-other")


def test_the_servers_models_are_named_its_own_first(both: dict[str, Edge]) -> None:
    remote = both["remote"]
    assert isinstance(remote, RemoteEdgeLLM)
    assert remote.models()[0].name == remote.model == MODEL


def test_an_address_where_nothing_answers() -> None:
    with RemoteEdgeLLM("http://127.0.0.1:9", model="x") as nobody:
        with pytest.raises(Exception, match=r"No EdgeLLM server answers at http://127.0.0.1:9"):
            nobody.chat("Hello")
        with pytest.raises(Exception, match="No EdgeLLM server"):
            nobody.models()
    with pytest.raises(InvalidInput, match="no address"):
        RemoteEdgeLLM("http://[::1")


def test_texts_are_put_in_order_by_a_question(both: dict[str, Edge], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EdgeLLM, "rerank", lambda _edge, question, texts: [text.count(question) for text in texts])
    with pytest.raises(MissingExtra):  # the server says that it has none
        both["remote"].rerank("ferry", ["a ferry"])
    local = both["local"]
    assert isinstance(local, EdgeLLM)
    monkeypatch.setattr(local, "settings", replace(local.settings, reranker="/models/tiny"))
    for each in both.values():
        assert each.rerank("ferry", ["gulls", "ferry, ferry", "ferry"]) == [0, 2, 1]


def test_documents_are_added_and_taken_out(
    edge: Edge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(Jobs, "_launch", read_here)
    note = tmp_path / "note.txt"
    note.write_text("The gulls are not fed.")
    shelf = edge.documents(request.node.callspec.id)
    job = shelf.add([note], tags=("birds",))
    assert (job.kind, job.state, job.error) == ("ingest", JobState.FINISHED, None)
    (file,) = shelf.files()
    assert (Path(file.name).name, file.tags) == ("note.txt", ("birds",))
    assert [hit.text for hit in shelf.search("gulls", filters=Filters(tags=("birds",)))] == ["The gulls are not fed."]
    assert shelf.remove([file.name]) == 1
    assert shelf.files() == []
    with pytest.raises(InvalidInput, match="missing"):
        shelf.add([tmp_path / "missing.txt"])


def test_a_job_of_the_server_is_looked_at_again(
    both: dict[str, Edge], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Jobs, "_launch", read_here)
    (tmp_path / "note.txt").write_text("The gulls are not fed.")
    remote = both["remote"]
    assert isinstance(remote, RemoteEdgeLLM)
    shelf = remote.documents("again")
    job = shelf.add([tmp_path / "note.txt"])
    assert shelf.job(job.id) == job
    with pytest.raises(NotFound):
        shelf.job("0" * 26)
