"""An EdgeLLM in memory whose answers are scripted: the app's other side in tests and pictures."""

# ruff: noqa: ARG002 - a fake takes the arguments of what it stands for

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Literal

from edgellm.engine.metrics import EngineMetrics
from edgellm.errors import EdgeLLMError, ModelNotFound, SessionNotFound
from edgellm.events import Cancelled, JobEvent, Progressed
from edgellm.hub.cards import ModelCard
from edgellm.hub.fit import Fit, Verdict
from edgellm.hub.installed import InstalledModel
from edgellm.store.records import JobState, Rating, SearchHit, Session, StoredJob, StoredMessage
from edgellm.types import (
    Alternative,
    Choice,
    Delta,
    FinishReason,
    Reply,
    Sampling,
    StreamEvent,
    Timings,
    TokenTrace,
    Usage,
)

NOW = 1_790_000_000.0
"""The fakes' clock, so that pictures do not change."""


@dataclass
class Script:
    """What the next answer does."""

    events: Sequence[StreamEvent] = ()
    pause_s: float = 0.0
    error: EdgeLLMError | None = None
    """Raised after the events."""
    finish: FinishReason = FinishReason.STOP
    gate: asyncio.Event | None = None
    """The stream stops after its first event until this is set."""


def saying(text: str, *, pieces: int = 8, pause_s: float = 0.0, reasoning: str = "") -> Script:
    """An answer in `pieces` of equal length."""
    size = max(1, math.ceil(len(text) / pieces))
    events: list[StreamEvent] = [Delta(reasoning=reasoning)] if reasoning else []
    events += [Delta(text=text[i : i + size]) for i in range(0, len(text), size)]
    return Script(events, pause_s)


def held(text: str, *, pieces: int = 8) -> Script:
    """An answer that stops after its first piece until its gate is opened."""
    return replace(saying(text, pieces=pieces), gate=asyncio.Event())


class FakeStream:
    """Plays a script."""

    def __init__(self, script: Script, conclude: Callable[[str, str, FinishReason], Reply]) -> None:
        self._script = script
        self._conclude = conclude
        self._cancelled = asyncio.Event()
        self._reply: Reply | None = None

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self._play()

    async def _play(self) -> AsyncIterator[StreamEvent]:
        text = reasoning = ""
        reason = self._script.finish
        for number, event in enumerate(self._script.events):
            await self._wait(number)
            if self._cancelled.is_set():
                reason = FinishReason.CANCELLED
                break
            if isinstance(event, Delta):
                text += event.text
                reasoning += event.reasoning
            yield event
        reply = self._conclude(text, reasoning, reason)
        if self._script.error is not None and not self._cancelled.is_set():
            raise self._script.error
        self._reply = reply

    async def _wait(self, number: int) -> None:
        if self._script.gate is not None and number == 1:
            waits = [asyncio.create_task(e.wait()) for e in (self._cancelled, self._script.gate)]
            _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
        elif self._script.pause_s:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._cancelled.wait(), self._script.pause_s)

    def cancel(self) -> None:
        self._cancelled.set()

    @property
    def reply(self) -> Reply:
        if self._reply is None:
            raise RuntimeError("not complete")
        return self._reply


class FakeSessions:
    """Sessions as trees of messages."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.stored: dict[str, StoredMessage] = {}
        self._ids = count(1)

    def append(self, session_id: str, role: str, content: str, parent_id: str | None, **more: Any) -> StoredMessage:
        message = StoredMessage(
            id=f"m{next(self._ids)}",
            session_id=session_id,
            parent_id=parent_id,
            role=role,  # type: ignore[arg-type]
            content=content,
            created_at=NOW,
            **more,
        )
        self.stored[message.id] = message
        session = self.sessions[session_id]
        title = session.title or content.split("\n")[0][:48]
        self.sessions[session_id] = replace(session, head=message.id, title=title)
        return message

    async def create(self, *, title: str = "", model: str = "", system: str | None = None) -> Session:
        session = Session(
            id=f"s{next(self._ids)}", title=title, model=model, system=system, created_at=NOW, updated_at=NOW, head=None
        )
        self.sessions[session.id] = session
        return session

    async def get(self, session_id: str) -> Session:
        if session_id not in self.sessions:
            raise SessionNotFound(f"There is no session {session_id!r}.")
        return self.sessions[session_id]

    async def list(self, limit: int = 50, offset: int = 0) -> Sequence[Session]:
        return list(reversed(self.sessions.values()))[offset : offset + limit]

    async def messages(self, session_id: str, leaf: str | None = None) -> Sequence[StoredMessage]:
        at = leaf or (await self.get(session_id)).head
        path: list[StoredMessage] = []
        while at:
            path.append(self.stored[at])
            at = self.stored[at].parent_id
        return path[::-1]

    async def siblings(self, message_id: str) -> Sequence[StoredMessage]:
        me = self.stored[message_id]
        return [m for m in self.stored.values() if (m.session_id, m.parent_id) == (me.session_id, me.parent_id)]

    async def switch(self, session_id: str, message_id: str) -> Sequence[StoredMessage]:
        leaf = message_id
        while children := [m.id for m in self.stored.values() if m.parent_id == leaf]:
            leaf = children[-1]
        self.sessions[session_id] = replace(self.sessions[session_id], head=leaf)
        return await self.messages(session_id)

    async def rename(self, session_id: str, title: str) -> Session:
        self.sessions[session_id] = replace(await self.get(session_id), title=title)
        return self.sessions[session_id]

    async def delete(self, session_id: str) -> None:
        del self.sessions[session_id]

    async def search(self, query: str, limit: int = 50) -> Sequence[SearchHit]:
        hits = []
        for message in self.stored.values():
            at = message.content.lower().find(query.lower())
            if at >= 0 and message.session_id in self.sessions:
                start = max(0, at - 30)
                hits.append(
                    SearchHit(
                        session_id=message.session_id,
                        message_id=message.id,
                        title=self.sessions[message.session_id].title,
                        role=message.role,
                        snippet=message.content[start : at + 60],
                        highlights=((at - start, at - start + len(query)),),
                        created_at=NOW,
                    )
                )
        return hits[:limit]

    async def export(self, session_id: str, format: Literal["markdown", "json"] = "markdown") -> str:
        messages = await self.messages(session_id)
        if format == "json":
            return f'{{"messages": {len(messages)}}}'
        return "\n\n".join(f"**{m.role}**: {m.content}" for m in messages)

    async def rate(self, message_id: str, rating: Rating) -> None:
        self.stored[message_id] = replace(self.stored[message_id], rating=rating)

    async def correct(self, message_id: str, text: str) -> None:
        self.stored[message_id] = replace(self.stored[message_id], correction=text)


def card(card_id: str, name: str, **more: Any) -> ModelCard:
    """A catalogue card."""
    facts: dict[str, Any] = {
        "publisher": "Someone",
        "family": "test",
        "kind": "chat",
        "source": "someone/something",
        "licence": "Apache-2.0",
        "commercial_use": "yes",
        "licence_note": "You may use it in products; keep the notice.",
        "good_at": "Answers, summaries and small programs.",
        "verified": "the model card",
        "languages": ("en", "hi"),
    }
    return ModelCard(id=card_id, name=name, **{**facts, **more})


def installed(name: str, size_bytes: int, source: str, *, removable: bool) -> InstalledModel:
    """A model file."""
    path = Path("/models") / f"{name}.gguf"
    return InstalledModel(
        name=name, path=path, size_bytes=size_bytes, sha256="a" * 64, source=source, removable=removable
    )


class FakeModels:
    """One installed model and three cards."""

    def __init__(self) -> None:
        self.installed = [
            installed("SmolLM2-135M-Instruct", 98_000_000, "the starter package", removable=False),
            installed("qwen3-4b", 2_500_000_000, "Qwen/Qwen3-4B-GGUF", removable=True),
        ]
        self.catalogue = [
            card("gemma-3-4b", "Gemma 3 4B Instruct", licence="LicenseRef-Gemma", commercial_use="with conditions"),
            card("falcon-h1-7b", "Falcon-H1 7B Instruct"),
            card("llama-70b", "Llama 3.3 70B Instruct", languages=("en", "de", "hi", "th")),
        ]
        self.in_memory = ["SmolLM2-135M-Instruct"]

    async def list(self) -> Sequence[InstalledModel]:
        return self.installed

    async def cards(self) -> Sequence[ModelCard]:
        return self.catalogue

    async def fit(self, name: str, context_tokens: int | None = None) -> Fit:
        sizes = {"llama-70b": 42.5e9, "falcon-h1-7b": 4.6e9, "gemma-3-4b": 2.6e9, "qwen3-4b": 2.5e9}
        weights = int(sizes.get(name, 98e6))
        verdict = Verdict.NO if weights > 8e9 else Verdict.TIGHT if weights > 4e9 else Verdict.FITS
        words = {Verdict.NO: "Does not fit", Verdict.TIGHT: "Tight", Verdict.FITS: "Fits"}[verdict]
        return Fit(
            verdict=verdict,
            reason=f"{words}: needs {(weights + 4e8) / 1e9:.1f} GB of 6.2 GB available.",
            weights_bytes=weights,
            kv_bytes=300_000_000,
            buffers_bytes=100_000_000,
            total_bytes=weights + 400_000_000,
            available_bytes=6_200_000_000,
            context_tokens=4096,
            decode_tokens_per_s=1e10 / weights,
        )

    async def add(self, path: str | Path, name: str | None = None) -> InstalledModel:
        raise ModelNotFound(f"There is no file {path!r}.")

    async def remove(self, name: str) -> None:
        self.installed = [model for model in self.installed if model.name != name]

    async def loaded(self) -> Sequence[str]:
        return self.in_memory

    async def unload(self, name: str) -> None:
        self.in_memory = [other for other in self.in_memory if other != name]


class FakeJobs:
    """Jobs whose latest event a test sets."""

    def __init__(self) -> None:
        self.events: dict[str, JobEvent | None] = {}
        self.rows: dict[str, StoredJob] = {}

    async def start(self, kind: str, title: str, arguments: Mapping[str, Any]) -> StoredJob:
        job = StoredJob(
            id=f"j{len(self.rows) + 1}",
            kind=kind,
            title=title,
            arguments=arguments,
            state=JobState.RUNNING,
            created_at=NOW,
            updated_at=NOW,
        )
        self.rows[job.id] = job
        self.events[job.id] = Progressed(done=1.2e9, total=2.6e9, rate=21e6, left_s=67)
        return job

    async def get(self, job_id: str) -> StoredJob:
        return self.rows[job_id]

    async def list(self, limit: int = 50, offset: int = 0) -> Sequence[StoredJob]:
        return list(self.rows.values())

    async def latest(self, job_id: str) -> JobEvent | None:
        return self.events[job_id]

    async def cancel(self, job_id: str) -> StoredJob:
        self.events[job_id] = Cancelled()
        self.rows[job_id] = replace(self.rows[job_id], state=JobState.CANCELLED)
        return self.rows[job_id]


@dataclass(frozen=True)
class FakeToken:
    """A token."""

    id: int
    text: str


def pieces(text: str) -> list[str]:
    """Words with the space before them, as most tokenizers cut."""
    parts: list[str] = []
    for word in text.split(" "):
        parts.append(word if not parts else f" {word}")
    return parts


def traced(text: str) -> list[Delta]:
    """The text as deltas of one token each, with plausible probabilities."""
    deltas = []
    for number, piece in enumerate(pieces(text)):
        top = 0.35 + 0.6 * ((number * 37) % 100) / 100
        rest = [(" the", 0.5), (" a", 0.25), (" it", 0.15), ("\n", 0.1)]
        others = tuple(Alternative(token=i, text=t, logprob=math.log((1 - top) * p)) for i, (t, p) in enumerate(rest))
        chosen = Alternative(token=99, text=piece, logprob=math.log(top))
        trace = TokenTrace(
            token=99,
            text=piece,
            logprob=math.log(top),
            entropy=round(4.0 * (1 - top), 3),
            alternatives=(chosen, *others),
        )
        deltas.append(Delta(text=piece, tokens=(trace,)))
    return deltas


@dataclass
class FakePreferences:
    """Settings in memory."""

    default_model: str = "SmolLM2-135M-Instruct"
    theme: str = "edge-dark"
    keys: Mapping[str, str] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=lambda: {"Translator": "Translate into Hindi."})
    system_prompt: str = ""
    sampling: Sampling = field(default_factory=Sampling)
    offline: bool = False
    hub_endpoint: str = "https://hub.invalid"
    saved: list[tuple[str, str | None]] = field(default_factory=list)

    def save(self, key: str, value: str | None) -> None:
        self.saved.append((key, value))


class FakeEdge:
    """Plays the scripts in order, then echoes."""

    def __init__(self, *scripts: Script) -> None:
        self.sessions = FakeSessions()
        self.models = FakeModels()
        self.jobs = FakeJobs()
        self.scripts = list(scripts)
        self.asked: list[dict[str, Any]] = []
        self.is_closed = False

    async def chat(self, prompt: Any, *, stream: Literal[True], **options: Any) -> FakeStream:
        self.asked.append({"prompt": prompt, **options})
        asked_id = self._store_prompt(prompt, options)
        script = self.scripts.pop(0) if self.scripts else self._echo(prompt, options)

        def conclude(text: str, reasoning: str, reason: FinishReason) -> Reply:
            usage = Usage(prompt_tokens=412, cached_tokens=380, completion_tokens=len(text.split()))
            timings = Timings(ttft_s=0.21, prefill_tokens_per_s=900.0, decode_tokens_per_s=41.3)
            stored = None
            if asked_id and (text or reasoning):
                stored = self.sessions.append(
                    options["session"],
                    "assistant",
                    text,
                    asked_id,
                    reasoning=reasoning or None,
                    model=options.get("model"),
                    usage=usage,
                    timings=timings,
                    finish_reason="failed" if script.error else reason.value,
                )
            return Reply(
                choices=(Choice(text=text, finish_reason=reason),),
                model=options.get("model") or "",
                usage=usage,
                timings=timings,
                session_id=options.get("session"),
                message_id=stored.id if stored else None,
            )

        return FakeStream(script, conclude)

    def _store_prompt(self, prompt: Any, options: Mapping[str, Any]) -> str | None:
        session_id = options.get("session")
        if session_id is None:
            return None
        parent = options.get("parent")
        if prompt is None:
            return str(parent)
        if parent is None:
            parent = self.sessions.sessions[session_id].head
        return self.sessions.append(session_id, "user", prompt, parent or None).id

    def _echo(self, prompt: Any, options: Mapping[str, Any]) -> Script:
        sampling = options.get("sampling")
        if sampling is not None and sampling.logprobs:
            return Script(traced("The sky is blue because air scatters short waves more."))
        return saying(f"You said: {prompt}")

    async def tokenize(self, text: str, *, model: str | None = None) -> Sequence[FakeToken]:
        return [FakeToken(i, piece) for i, piece in enumerate(pieces(text))]

    async def stats(self, model: str | None = None) -> EngineMetrics | None:
        return EngineMetrics(cells_total=4096, cells_used=900, decode_tokens_per_s=41.0)

    async def memory_bytes(self, model: str | None = None) -> int:
        return 312_000_000

    async def close(self) -> None:
        self.is_closed = True
