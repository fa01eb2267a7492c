"""EdgeLLM as the app sees it: plays scripts in order, then echoes."""

# ruff: noqa: ARG002 - a fake takes the arguments of what it stands for

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from edgellm.engine.metrics import EngineMetrics
from edgellm.types import Choice, FinishReason, Reply, Timings, Usage
from tests.tui.fakes.datasets import FakeDatasets
from tests.tui.fakes.documents import FakeCollections, FakeDocuments
from tests.tui.fakes.drafts import FakeDrafts
from tests.tui.fakes.evals import FakeEvals
from tests.tui.fakes.exports import FakeExports
from tests.tui.fakes.improve import FakeAliases, FakeImprove, FakePromotion
from tests.tui.fakes.jobs import FakeJobs
from tests.tui.fakes.models import FakeAdapters, FakeModels
from tests.tui.fakes.monitor import FakeMonitor
from tests.tui.fakes.reviews import FakeReviews
from tests.tui.fakes.scripts import FakeStream, Script, saying
from tests.tui.fakes.serving import FakeAudit, FakeKeys, FakeServer, FakeUse
from tests.tui.fakes.sessions import FakeSessions
from tests.tui.fakes.tokens import FakeToken, pieces, traced
from tests.tui.fakes.training import FakeTraining


class FakeEdge:
    """Plays the scripts in order, then echoes."""

    def __init__(self, *scripts: Script) -> None:
        self.sessions = FakeSessions()
        self.models = FakeModels()
        self.adapters = FakeAdapters()
        self.datasets = FakeDatasets()
        self.jobs = FakeJobs()
        self.drafts = FakeDrafts(self.jobs)
        self.training = FakeTraining(self.jobs)
        self.exports = FakeExports(self.jobs)
        self.collections = FakeCollections(self.jobs)
        self.server = FakeServer()
        self.audit = FakeAudit()
        self.keys = FakeKeys(self.audit)
        self.usage = FakeUse()
        self.reviews = FakeReviews()
        self.evals = FakeEvals(self.jobs)
        self.monitor = FakeMonitor()
        self.improve = FakeImprove(self.jobs)
        self.aliases = FakeAliases(self.improve)
        self.promotion = FakePromotion(self.improve)
        self.scripts = list(scripts)
        self.asked: list[dict[str, Any]] = []
        self.is_closed = False

    def documents(self, name: str) -> FakeDocuments:
        return FakeDocuments(self.collections, name)

    async def chat(self, prompt: Any, *, stream: Literal[True], **options: Any) -> FakeStream:
        self.asked.append({"prompt": prompt, **options})
        asked_id = self._store_prompt(prompt, options)
        script = self.scripts.pop(0) if self.scripts else self._echo(prompt, options)

        evidence = script.evidence if options.get("documents") else None

        def conclude(text: str, reasoning: str, reason: FinishReason) -> Reply:
            text = script.checked if evidence and script.checked else text
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
                    evidence=msgspec.to_builtins(evidence) if evidence else None,
                )
            return Reply(
                choices=(Choice(text=text, finish_reason=reason),),
                model=options.get("model") or "",
                usage=usage,
                timings=timings,
                session_id=options.get("session"),
                message_id=stored.id if stored else None,
                evidence=evidence,
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
        if model is not None:
            await self.models.open(model)
        return [FakeToken(i, piece) for i, piece in enumerate(pieces(text))]

    async def stats(self, model: str | None = None) -> EngineMetrics | None:
        return EngineMetrics(cells_total=4096, cells_used=900, decode_tokens_per_s=41.0)

    async def memory_bytes(self, model: str | None = None) -> int:
        return 312_000_000

    async def close(self) -> None:
        self.is_closed = True
