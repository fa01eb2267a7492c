"""`edgellm review`: listed, shown, decided, merged, exported; personal data masked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgellm.cli.diagnostics import Code
from edgellm.errors import MissingExtra
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.serving import ServedAnswer
from edgellm.types import Message
from tests.unit.cli.bench import Bench

MAIL = "jo.field@example.com"


def said(real: EdgeLLM, question: str, correction: str | None = None, tenant: str = "") -> str:
    """Id of the item of an answer that was rated down."""
    name = f"chatcmpl-{len(real.reviews.list(state=None, limit=1000))}"
    asked = (Message(role="user", content=question),)
    evidence = {"citations": [{"file": "terms.md", "text": "Within 14 days."}]}
    real.answers.add(
        ServedAnswer(id=name, tenant=tenant, model="starter@shop", messages=asked, text="No.", evidence=evidence)
    )
    real.answers.rate(name, tenant, -1, correction)
    return next(item.id for item in real.reviews.list(limit=1000) if item.origin.id == name)


def test_the_empty_queue_says_how_it_fills(serving: Bench) -> None:
    assert serving.run("review", "list") == 0
    assert "Nothing waits for a decision" in serving.err
    assert "Rate and correct answers" in serving.err
    assert serving.run("review", "list", "--state", "rejected", "--json") == 0
    assert json.loads(serving.out) == []


def test_items_are_listed_and_masked(serving: Bench, real: EdgeLLM) -> None:
    said(real, f"Who is\n{MAIL}?", "A client.")
    said(real, "Why \x1b[2J?", tenant="key1")
    assert serving.run("review", "list") == 0
    header, newest, oldest = serving.out.splitlines()
    assert header.split() == ["ID", "SINCE", "REASON", "STATE", "KEY", "QUESTION"]
    assert oldest.endswith("local  Who is [email]?")
    assert "rated down" in newest
    assert "\x1b" not in serving.out
    assert serving.run("review", "list", "--tenant", "local", "--reason", "correction", "--json") == 0
    [item] = json.loads(serving.out)
    assert (item["masked"], item["adapter"], item["correction"]) == ({"email": 1}, "shop", "A client.")
    assert MAIL not in serving.out
    assert serving.run("review", "list", "--unmasked", "--json", "-n", "2") == 0
    assert MAIL in serving.out
    assert serving.run("review", "list", "-n", "1") == 0
    assert "2 in all" in serving.err


def test_an_item_is_shown_with_what_it_came_from(serving: Bench, real: EdgeLLM) -> None:
    item_id = said(real, f"When, {MAIL}?", "Within 14 days.")
    assert serving.run("review", "show", item_id[:14]) == 0
    for part in (
        "corrected",
        "starter@shop",
        "1 email",
        "When, [email]?",
        "No.",
        "Within 14 days.",
        "evidence terms.md",
    ):
        assert part in serving.out
    assert serving.run("review", "show", item_id, "--json", "--unmasked") == 0
    assert json.loads(serving.out)["context"]["messages"][0]["content"] == f"When, {MAIL}?"
    assert serving.run("review", "show", "nope") == Code.NOT_FOUND


def test_items_are_decided(serving: Bench, real: EdgeLLM) -> None:
    first, second, third = said(real, "One?", "1"), said(real, "Two?", "2"), said(real, "Three?")
    assert serving.run("review", "accept", first, second) == 0
    assert serving.out.splitlines() == [f"accepted  {first[:10]}", f"accepted  {second[:10]}"]
    assert serving.run("review", "accept", first) == Code.INVALID_INPUT
    assert serving.run("review", "edit", third) == Code.USAGE
    assert serving.run("review", "edit", third, "--prompt", "Three, please?", "--answer", "3", "--json") == 0
    assert json.loads(serving.out) == [{"id": third, "state": "accepted", "learner": ""}]
    assert real.reviews.get(third).edited_prompt == "Three, please?"
    assert serving.run("review", "reopen", third) == 0
    assert serving.run("review", "reject", third) == 0
    assert serving.out.startswith("rejected")
    actions = [(entry.action, entry.target) for entry in real.audit.list(3)]
    assert actions == [("review.reject", third), ("review.reopen", third), ("review.accept", third)]


def test_another_key_learns_where_it_is_said(serving: Bench, real: EdgeLLM) -> None:
    key = real.keys.create("ana").key.id
    item_id = said(real, "One?", "1")
    assert serving.run("review", "accept", item_id, "--for", "nobody") == Code.NOT_FOUND
    assert serving.run("review", "accept", item_id, "--for", key) == 0
    assert f"for {key}" in serving.out
    assert len(real.reviews.lessons(key).rows) == 1


def test_similar_items_are_shown_and_merged(serving: Bench, real: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise MissingExtra("There is no embedder.", extra="embed")

    monkeypatch.setattr("edgellm.retrieval.embed.open.open_embedder", missing)
    first, second = said(real, "How do I reset my password?"), said(real, "How do I reset my password now?")
    said(real, "Which river?")
    assert serving.run("review", "clusters") == 0
    assert "2 items" in serving.out
    assert "1 group of items that ask much the same, by their words." in serving.err
    assert serving.run("review", "clusters", "--json") == 0
    assert json.loads(serving.out)["by"] == "words"
    assert serving.run("review", "merge", first) == Code.INVALID_INPUT
    assert serving.run("review", "merge", first, second, "--into", second) == 0
    assert serving.out == f"merged  1 item into {second[:10]}\n"
    assert real.reviews.get(first).merged_into == second
    assert serving.run("review", "merge", first, second, "--json") == Code.INVALID_INPUT


def test_what_was_accepted_is_exported(serving: Bench, real: EdgeLLM, tmp_path: Path) -> None:
    folder = tmp_path / "lessons"
    assert serving.run("review", "export", str(folder)) == 0
    assert "Nothing that was accepted" in serving.err
    for item_id in (
        said(real, f"Who is {MAIL}?", "A client."),
        said(real, "Why?", "So."),
        said(real, "why?", "No way."),
    ):
        real.reviews.accept(item_id)
    assert serving.run("review", "export", str(folder)) == 0
    written, pairs, thumbs, *held = serving.out.splitlines()
    assert written.startswith(f"written  {folder / 'rows.jsonl'}")
    assert [line.startswith("held back") for line in held] == [True, True]
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    assert [row["messages"][0]["content"] for row in rows] == ["Who is [email]?"]
    assert "pairs.jsonl" in pairs
    assert "thumbs.jsonl" in thumbs
    assert serving.run("review", "export", str(folder), "--json", "--since", "2999-01-01") == 0
    told = json.loads(serving.out)
    assert (told["rows"], told["counts"]) == (None, {"rows": 0, "pairs": 0, "thumbs": 0})
