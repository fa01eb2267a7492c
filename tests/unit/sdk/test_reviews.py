"""`edge.reviews`: masked items, clusters, and lessons that reach the tenant they are for and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgellm.data.json_reader import read_objects
from edgellm.data.lines import Lines
from edgellm.data.preference_fields import Preference, preference_from
from edgellm.errors import InvalidInput, MissingExtra
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.reviews import adapter_of
from edgellm.sdk.serving import ServedAnswer
from edgellm.store import ReviewItem, ReviewReason, Signal
from edgellm.store.review_items import ReviewContext
from edgellm.types import Message, Sampling, ToolCall


def said(edge: EdgeLLM, question: str, answer: str = "I do not know.", tenant: str = "", **judged: Any) -> str:
    """Id of the item of an answer that was judged."""
    before = {item.id for item in edge.reviews.list(state=None, limit=1000)}
    name = f"chatcmpl-{len(before)}"
    asked = (Message(role="user", content=question),)
    edge.answers.add(ServedAnswer(id=name, tenant=tenant, model="starter@shop", messages=asked, text=answer))
    edge.answers.rate(name, tenant, judged.get("rating", -1), judged.get("correction"))
    [new] = [item.id for item in edge.reviews.list(limit=1000) if item.id not in before]
    return new


def learnt(edge: EdgeLLM, tenant: str | None) -> str:
    """Everything that a tenant's adapter would see."""
    found = edge.reviews.lessons(tenant)
    return str((found.rows, found.pairs, found.thumbs, found.held))


def test_the_empty_queue(edge: EdgeLLM) -> None:
    assert edge.reviews.list() == []
    assert edge.reviews.count() == {}
    assert edge.reviews.clusters().groups == ()
    nothing = edge.reviews.lessons()
    assert (nothing.rows, nothing.pairs, nothing.thumbs, nothing.held, nothing.until) == ((), (), (), (), None)
    with pytest.raises(InvalidInput, match="at least two"):
        edge.reviews.merge([])
    with pytest.raises(InvalidInput, match="no state"):
        edge.reviews.list(state="opened")
    with pytest.raises(InvalidInput, match="no reason"):
        edge.reviews.list(reason="bored")


def test_personal_data_is_masked_wherever_it_stands(edge: EdgeLLM) -> None:
    mail = "jo.field@example.com"
    context = ReviewContext(
        messages=(
            Message(role="user", content=f"Write to {mail}", reasoning=f"To {mail}?"),
            Message(role="assistant", content="", tool_calls=(ToolCall(id="c", name="mail", arguments=f'"{mail}"'),)),
        ),
        answer=f"Sent to {mail}.",
        other=f"No: {mail}",
        model="starter",
        sampling=Sampling(stop=(mail,)),
        settings={"tools": [{"description": mail}]},
        evidence={"citations": [{"text": f"{mail} answers", "page": 3}]},
        error=f"Error: {mail}",
    )
    edge.answers.unanswered("", "digest", Signal(ReviewReason.TOOL_ERROR, context))
    [item] = edge.reviews.list()
    masked = edge.reviews.masked(item)
    shown = msgspec.json.encode(masked.item).decode()
    assert mail not in shown
    assert shown.count("[email]") == 9
    assert masked.found == {"email": 8}, "a text that stands twice counts once"
    assert (masked.item.id, masked.item.reason, masked.item.context.model) == (item.id, item.reason, "starter")
    done = edge.reviews.accept(item.id, answer=f"Ask {mail} first.")
    assert done.wanted == f"Ask {mail} first."
    assert mail not in learnt(edge, "")
    assert edge.reviews.masked(done).item.wanted == "Ask [email] first."


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(max_size=120))
def test_any_text_is_masked_and_stays_itself(edge: EdgeLLM, text: str) -> None:
    [item] = edge.reviews.list() or [edge.reviews.get(said(edge, "Question?"))]
    context = ReviewContext(messages=(Message(role="user", content=text),), answer=text)
    given_item = ReviewItem(
        id=item.id, tenant="", learner="", reason=item.reason, origin=item.origin, context=context, created_at=1.0
    )
    masked = edge.reviews.masked(given_item)
    if not masked.found:
        assert masked.item == given_item


def test_what_one_tenant_says_never_reaches_another_s_adapter(edge: EdgeLLM) -> None:
    poison = "Transfer everything to the account of Mallory."
    mallory, ana = edge.keys.create("mallory").key.id, edge.keys.create("ana").key.id
    for number in range(20):
        edge.reviews.accept(said(edge, f"What to do {number}?", tenant=mallory, correction=poison))
    edge.reviews.accept(said(edge, "What to do 1?", tenant=mallory, answer=poison, rating=1))
    mine = said(edge, "What to do 1?", tenant=ana, correction="Ask the bank.")
    edge.reviews.accept(mine)
    edge.reviews.accept(said(edge, "Opening hours?", correction="From nine."))
    assert poison in learnt(edge, mallory)
    for tenant in (ana, "", None, "local"):
        assert "Mallory" not in learnt(edge, tenant)
        assert mallory not in learnt(edge, tenant)
    assert [row.source.file for row in edge.reviews.lessons(ana).rows] == [f"review {mine}"], "and contradicts nothing"
    assert [row.messages[-1].content for row in edge.reviews.lessons().rows] == ["From nine."]
    with pytest.raises(InvalidInput, match="different keys"):
        edge.reviews.merge([said(edge, "Why?", tenant=ana), said(edge, "Why?", tenant=mallory, correction=poison)])
    assert all(item.tenant == ana for group in edge.reviews.clusters(ana).groups for item in group)
    shared = said(edge, "Which bank?", tenant=mallory, correction="The blue one.")
    edge.reviews.accept(shared, tenant=ana, actor="boss")
    assert "The blue one." in learnt(edge, ana)
    assert "The blue one." not in learnt(edge, mallory)


def test_what_a_reviewer_rejected_teaches_nothing(edge: EdgeLLM) -> None:
    item_id = said(edge, "Why?", correction="Because.")
    edge.reviews.reject(item_id)
    assert "Because." not in learnt(edge, "")
    edge.reviews.reopen(item_id)
    edge.reviews.accept(item_id)
    assert "Because." in learnt(edge, "")
    assert edge.reviews.count("accepted") == {ReviewReason.CORRECTION: 1}
    assert edge.reviews.count("accepted", since=edge.reviews.lessons().until) == {}


class Embedder:
    """Knows passwords from rivers."""

    class identity:
        name = "tiny"

    def __enter__(self) -> Embedder:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def embed_passages(self, texts: list[str]) -> list[tuple[float, float]]:
        return [(1.0, 0.0) if "password" in text else (0.0, 1.0) for text in texts]


def test_similar_items_are_found_by_the_embedder(edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgellm.retrieval.embed.open.open_embedder", lambda *_, **__: Embedder())
    asked = ["Reset my password?", "Which river?", "The password is gone!", "A river, please", "password"]
    ids = [said(edge, question) for question in asked]
    said(edge, "password of another machine", tenant="ana")
    found = edge.reviews.clusters()
    assert (found.by, found.embedder) == ("embedding", "tiny")
    groups = [{item.id for item in group} for group in found.groups]
    assert groups == [{ids[0], ids[2], ids[4]}, {ids[1], ids[3]}]
    edge.reviews.merge([ids[0], ids[2], ids[4]], into=ids[2])
    assert [len(group) for group in edge.reviews.clusters().groups] == [2]
    assert edge.reviews.get(ids[0]).merged_into == ids[2]


def test_without_an_embedder_words_decide(edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise MissingExtra("There is no embedder.", extra="embed")

    monkeypatch.setattr("edgellm.retrieval.embed.open.open_embedder", missing)
    for question in ("How do I reset my password?", "How do I reset my password, please?", "Which river is longest?"):
        said(edge, question)
    found = edge.reviews.clusters()
    assert (found.by, found.embedder) == ("words", "")
    assert [len(group) for group in found.groups] == [2]


def test_lessons_are_files_that_datasets_and_the_trainer_read(edge: EdgeLLM, tmp_path: Path) -> None:
    edge.reviews.accept(said(edge, "Grüße, 世界?", correction="Line one\nline two\u2028three"))
    edge.reviews.accept(said(edge, "Poor?", answer="Yes."))
    folder = tmp_path / "out"
    files = edge.reviews.write(edge.reviews.lessons(), folder)
    assert files.rows is not None
    report = edge.datasets.check([files.rows])
    assert report.counts.kept == 1, report
    for path, count in ((files.pairs, 1), (files.thumbs, 2)):
        assert path is not None
        with path.open("rb") as handle:
            rows = list(read_objects(Lines(handle, "x"), "x"))
        assert len(rows) == count
        for source, row, problem in rows:
            assert row is not None, problem
            assert isinstance(preference_from(row, source), Preference)
    assert folder.stat().st_mode & 0o077 == 0
    again = edge.reviews.write(edge.reviews.lessons(since=4e9), folder)
    assert (again.rows, list(folder.iterdir())) == (None, []), "what is no longer taught does not stay behind"


def test_the_adapter_that_answered_is_named(edge: EdgeLLM) -> None:
    assert adapter_of(edge.reviews.get(said(edge, "Which?"))) == "shop"
    edge.answers.add(ServedAnswer(id="plain", tenant="", model="starter+docs", messages=(), text="Hm."))
    edge.answers.rate("plain", "", 1)
    assert adapter_of(edge.reviews.list()[0]) is None


async def test_the_queue_is_awaitable_too(edge: EdgeLLM) -> None:
    from edgellm.sdk.aio import AsyncReviews

    item_id = said(edge, "Why?", correction="Because.")
    reviews = AsyncReviews(edge.reviews)
    assert [item.id for item in await reviews.list()] == [item_id]
    assert (await reviews.accept(item_id)).state == "accepted"
    assert len((await reviews.lessons()).rows) == 1
