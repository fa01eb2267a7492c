"""Tokens through EdgeLLM: completions of ids, counts, scores, and whose text it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edgellm.errors import ContextOverflow, DeadlineExceeded, InvalidInput, InvalidSchema
from edgellm.sdk.aio import AsyncEdgeLLM
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.types import Constraint, Message, Sampling

GREEDY = Sampling(temperature=0, max_tokens=12)
QUESTION = "A question that is long enough to be worth keeping."
SETTINGS = Settings(context_tokens=1024)
END = "<|im_end|>"


def test_token_ids_are_continued_as_they_are(edge: EdgeLLM) -> None:
    ids = [token.id for token in edge.tokenize("<s>Once", special=True)]
    assert edge.complete(ids, sampling=GREEDY).text == edge.complete("Once", sampling=GREEDY).text
    assert edge.complete(ids[1:], sampling=GREEDY).usage.prompt_tokens == 4


@pytest.mark.parametrize("ids", [[], [-1], [97, 10**6], [2**70], ["a"], [97] * 1024])
def test_ids_that_the_model_does_not_have_are_refused_and_it_goes_on(edge: EdgeLLM, ids: list[int]) -> None:
    with pytest.raises(InvalidInput):
        edge.complete(ids, sampling=GREEDY)
    with pytest.raises(InvalidInput):
        edge.score([*ids, *([97] if len(ids) == 1024 else [])])
    assert edge.complete("Once", sampling=GREEDY).text


def test_tokens_and_text_lead_to_each_other(edge: EdgeLLM) -> None:
    ids = [token.id for token in edge.tokenize(f"é{END}")]
    assert edge.detokenize(ids) == f"é{END}"
    special = edge.tokenize(f"é{END}", special=True)
    assert len(special) == 3
    assert edge.detokenize([token.id for token in special]) == "é"
    assert edge.detokenize([]) == ""
    with pytest.raises(InvalidInput, match="does not exist"):
        edge.detokenize([10**6])


def test_a_conversation_is_counted_as_it_is_sent(edge: EdgeLLM) -> None:
    messages = [Message(role="system", content="Be brief."), Message(role="user", content="Hi")]
    assert edge.count(messages) == edge.chat(messages, sampling=GREEDY).usage.prompt_tokens
    assert edge.count([Message(role="user", content="x" * 5_000)]) > 5_000
    with pytest.raises(InvalidInput, match="no messages"):
        edge.count([])


def test_a_score_names_every_token_of_the_prompt(edge: EdgeLLM) -> None:
    written = edge.complete("Once", sampling=Sampling(temperature=0, max_tokens=8, logprobs=2)).choices[0]
    ids = [token.id for token in edge.tokenize("<s>Once", special=True)]
    scored = edge.score([*ids, *(trace.token for trace in written.tokens)], alternatives=2)
    assert (scored.first.id, scored.first.text) == (ids[0], "")
    assert [trace.token for trace in scored.tokens[:4]] == ids[1:]
    assert scored.tokens[4:] == written.tokens
    by_text = edge.score("Once")
    assert (by_text.first, [trace.token for trace in by_text.tokens]) == (scored.first, ids[1:])
    assert all(trace.alternatives == () for trace in by_text.tokens)


def test_scores_out_of_bounds_are_refused(edge: EdgeLLM) -> None:
    with pytest.raises(InvalidInput, match="logprobs"):
        edge.score("x", alternatives=21)
    with pytest.raises(ContextOverflow):
        edge.score("x" * 1_024)
    assert len(edge.score("x" * 1_023).tokens) == 1_023


async def test_the_same_from_an_event_loop(tmp_path: Path) -> None:
    async with AsyncEdgeLLM("fake:", home=tmp_path, settings=SETTINGS) as edge:
        ids = [token.id for token in await edge.tokenize("Once")]
        assert await edge.detokenize(ids) == "Once"
        assert (await edge.complete(ids, sampling=GREEDY)).text
        assert await edge.count([Message(role="user", content="Hi")]) == edge.blocking.count(
            [Message(role="user", content="Hi")]
        )
        assert await edge.score("Once", alternatives=1) == edge.blocking.score("Once", alternatives=1)


async def test_a_cancelled_task_ends_its_scoring(tmp_path: Path) -> None:
    async with AsyncEdgeLLM("fake:prefill_token_s=0.01", home=tmp_path, settings=SETTINGS) as edge:
        await edge.tokenize("x")
        task = asyncio.create_task(edge.score("x" * 1_000))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(100):
            stats = await edge.stats()
            assert stats is not None
            if not stats.running:
                break
            await asyncio.sleep(0.02)
        assert stats is not None
        assert (stats.running, stats.requests_cancelled) == (0, 1)


def cached(edge: EdgeLLM, tenant: str, session: str | None = None) -> int:
    return edge.chat(QUESTION, sampling=GREEDY, tenant=tenant, session=session).usage.cached_tokens


def test_what_is_cached_of_a_tenant_serves_nobody_else(edge: EdgeLLM) -> None:
    assert [cached(edge, tenant) > 0 for tenant in ("acme", "umbrella", "", "acme", "umbrella", "")] == [
        False, False, False, True, True, True
    ]  # fmt: skip
    first = edge.complete(QUESTION, sampling=GREEDY, tenant="acme").usage.cached_tokens
    other = edge.complete(QUESTION, sampling=GREEDY, tenant="other").usage.cached_tokens
    again = edge.complete(QUESTION, sampling=GREEDY, tenant="acme").usage.cached_tokens
    assert (first < 5, other) == (True, 0)  # a chat of the same tenant begins with the same token
    assert again > 20
    edge.score(QUESTION, tenant="new")
    assert edge.complete(QUESTION, sampling=GREEDY, tenant="newer").usage.cached_tokens == 0
    assert edge.complete(QUESTION, sampling=GREEDY, tenant="new").usage.cached_tokens > 0


def test_a_conversation_on_disk_is_resumed_for_its_own_tenant_only(tmp_path: Path) -> None:
    def asked(session: str, tenant: str) -> int:
        with EdgeLLM("fake:", home=tmp_path, settings=SETTINGS) as edge:
            return cached(edge, tenant, session)

    with EdgeLLM("fake:", home=tmp_path, settings=SETTINGS) as edge:
        session = edge.sessions.create().id
    found = [asked(session, tenant) for tenant in ("acme", "umbrella", "", "umbrella", "acme")]
    assert [tokens > 0 for tokens in found] == [False, False, False, True, True]
    kept = list((tmp_path / "cache" / "conversations").glob("*.kv"))
    assert len(kept) == 3
    with EdgeLLM("fake:", home=tmp_path, settings=SETTINGS) as edge:
        edge.sessions.delete(session)
    assert not any(path.exists() for path in kept)


def test_a_conversation_that_is_too_long_is_refused_when_nothing_may_be_left_out(edge: EdgeLLM) -> None:
    turns = [Message(role=role, content="x" * 100) for _ in range(8) for role in ("user", "assistant")]
    messages = [*turns, Message(role="user", content="And?")]
    assert "left out" in edge.chat(messages, sampling=GREEDY).notices[0]
    with pytest.raises(ContextOverflow):
        edge.chat(messages, sampling=GREEDY, keep="all")
    with pytest.raises(InvalidInput):
        edge.chat(messages, sampling=GREEDY, keep="some")  # type: ignore[call-overload]


def test_grammars_are_for_trusted_callers_and_the_others_count_themselves(edge: EdgeLLM) -> None:
    grammar = Constraint(kind="grammar", text='start: "a"')
    with pytest.raises(InvalidSchema, match="trusted callers"):
        edge.chat("x", constraint=grammar, trusted=False)
    with pytest.raises(InvalidSchema, match="understands no grammars"):
        edge.complete("x", constraint=grammar)
    before = sum(total.requests for total in edge.usage.totals())
    edge.chat("x", sampling=GREEDY, trusted=False)
    assert sum(total.requests for total in edge.usage.totals()) == before
    edge.chat("x", sampling=GREEDY)
    assert sum(total.requests for total in edge.usage.totals()) == before + 1


async def test_scoring_counts_as_this_machines_use_unless_a_tenant_is_named(tmp_path: Path) -> None:
    async with AsyncEdgeLLM("fake:", home=tmp_path, settings=SETTINGS) as edge:
        scored = edge.blocking.score("Once")
        read = len(scored.tokens) + 1
        assert [total.usage.prompt_tokens for total in await edge.usage.totals("model")] == [read]
        await edge.score("Once")
        await edge.score("Once", tenant="ana")
        assert [total.usage.prompt_tokens for total in await edge.usage.totals("model")] == [2 * read]


async def test_a_scoring_that_is_given_up_says_what_was_read(tmp_path: Path) -> None:
    async with AsyncEdgeLLM("fake:prefill_token_s=0.002", home=tmp_path, settings=SETTINGS) as edge:
        scoring = await edge.scoring("x" * 1_000)
        next(scoring.stream)
        assert (scoring.usage.prompt_tokens, scoring.timings) == (0, None)
        scoring.close()
        assert scoring.usage.prompt_tokens > 0
        assert scoring.timings is not None
        scoring.close()


def test_a_scoring_that_is_late_is_an_error(tmp_path: Path) -> None:
    with EdgeLLM("fake:prefill_token_s=0.002", home=tmp_path, settings=SETTINGS) as edge:
        edge.tokenize("x")
        with pytest.raises(DeadlineExceeded):
            edge.scoring("x" * 1_000, deadline_s=0.3).finish()
