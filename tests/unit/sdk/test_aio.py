"""AsyncEdgeLLM does what EdgeLLM does, from an event loop."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from edgellm.errors import InvalidInput
from edgellm.sdk import (
    aio,
    aio_evaluation,
    blind,
    evaluation,
    facade,
    jobs,
    models,
    promotion,
    servers,
    serving,
    sessions,
)
from edgellm.sdk.aio import AsyncEdgeLLM
from edgellm.settings import Settings
from edgellm.types import Delta, Sampling

GREEDY = Sampling(temperature=0, max_tokens=24)
SETTINGS = Settings(context_tokens=1024)


async def test_streams_whole_answers_and_sessions(tmp_path: Path) -> None:
    async with AsyncEdgeLLM("fake:", home=tmp_path, settings=SETTINGS) as edge:
        session = await edge.sessions.create(title="Async")
        stream = await edge.chat("Hello", session=session.id, sampling=GREEDY, stream=True)
        text = "".join([event.text async for event in stream if isinstance(event, Delta)])
        assert text == stream.reply.text
        assert (await edge.chat("Hello", sampling=GREEDY)).text == text
        stored = await edge.sessions.messages(session.id)
        assert [message.content for message in stored] == ["Hello", text]


async def test_eight_requests_run_together(tmp_path: Path) -> None:
    async with AsyncEdgeLLM("fake:", home=tmp_path, settings=SETTINGS) as edge:
        replies = await asyncio.gather(*(edge.chat(f"Number {i}", sampling=GREEDY) for i in range(8)))
        assert all(reply.usage.completion_tokens for reply in replies)


async def test_a_cancelled_task_cancels_its_request(tmp_path: Path) -> None:
    async with AsyncEdgeLLM("fake:decode_row_s=0.02", home=tmp_path, settings=SETTINGS) as edge:
        session = await edge.sessions.create()
        task = asyncio.create_task(edge.chat("Long", session=session.id, sampling=Sampling(seed=14)))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stats = await edge.stats()
        assert stats is not None
        assert stats.running == 0


@pytest.mark.parametrize("asked", ["chat", "complete", "score"])
async def test_a_task_cancelled_before_its_request_began_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """Nobody holds such an answer: it ran on, with the engine's cells, until Python's collector came by."""
    async with AsyncEdgeLLM("fake:decode_row_s=0.02,prefill_token_s=0.02", home=tmp_path, settings=SETTINGS) as edge:
        await edge.models.load("fake:decode_row_s=0.02,prefill_token_s=0.02")
        name = "scoring" if asked == "score" else asked
        called, left, begin = threading.Event(), threading.Event(), getattr(edge.blocking, name)
        begun: list[Any] = []

        def slowly(*args: Any, **options: Any) -> Any:
            called.set()
            assert left.wait(20)
            begun.append(begin(*args, **options))
            return begun[0]

        monkeypatch.setattr(edge.blocking, name, slowly)
        task = asyncio.create_task(getattr(edge, asked)("x" * 600))
        await asyncio.to_thread(called.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left.set()
        until = time.monotonic() + 8  # less than the twelve seconds that the prompt alone takes
        while not begun or (begun[0] is not None and (stats := await edge.stats()) and stats.running):
            assert time.monotonic() < until
            await asyncio.sleep(0.02)


async def test_leaving_a_stream_early_records_what_was_written(tmp_path: Path) -> None:
    async with AsyncEdgeLLM("fake:decode_row_s=0.005", home=tmp_path, settings=SETTINGS) as edge:
        session = await edge.sessions.create()
        async with await edge.chat(
            "Go on for long", session=session.id, sampling=Sampling(seed=7), stream=True
        ) as stream:
            async for event in stream:
                if isinstance(event, Delta) and event.text:
                    break
        stored = await edge.sessions.messages(session.id)
        assert [message.role for message in stored] == ["user", "assistant"]
        assert stored[1].content == stream.reply.text


async def test_errors_keep_their_type(tmp_path: Path) -> None:
    async with AsyncEdgeLLM("fake:", home=tmp_path, settings=SETTINGS) as edge:
        with pytest.raises(InvalidInput, match="top_p"):
            await edge.chat("x", sampling=Sampling(top_p=7))


@pytest.mark.parametrize(
    ("blocking", "twin"),
    [
        (facade.EdgeLLM, aio.AsyncEdgeLLM),
        (sessions.Sessions, aio.AsyncSessions),
        (models.Models, aio.AsyncModels),
        (jobs.Jobs, aio.AsyncJobs),
        (serving.Keys, aio.AsyncKeys),
        (serving.Audit, aio.AsyncAudit),
        (serving.Aliases, aio.AsyncAliases),
        (serving.Answers, aio.AsyncAnswers),
        (serving.Use, aio.AsyncUse),
        (servers.Servers, aio.AsyncServers),
        (evaluation.Evals, aio_evaluation.AsyncEvals),
        (promotion.Promotion, aio_evaluation.AsyncPromotion),
        (blind.Blind, aio_evaluation.AsyncBlind),
    ],
)
def test_every_blocking_method_has_its_twin(blocking: type, twin: type) -> None:
    def public(kind: type) -> set[str]:
        return {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}

    apart = {"follow", "catalogue", "remote"}  # for threads; nothing to wait for; makes another object
    assert public(blocking) - apart == public(twin) - apart
