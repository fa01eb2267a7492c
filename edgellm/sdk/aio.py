"""AsyncEdgeLLM: the same methods as EdgeLLM, awaitable."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, Unpack, overload

from edgellm.paths import Home
from edgellm.sdk.adapters import Adapters
from edgellm.sdk.aio_evaluation import AsyncEvals, AsyncPromotion
from edgellm.sdk.background import Awaitables, awaitable, begun
from edgellm.sdk.bundles import Bundles
from edgellm.sdk.datasets import Datasets
from edgellm.sdk.documents import Collections, Documents
from edgellm.sdk.drafts import Drafts
from edgellm.sdk.exports import Exports
from edgellm.sdk.facade import EdgeLLM, Prompt
from edgellm.sdk.improve import Improve
from edgellm.sdk.jobs import Jobs
from edgellm.sdk.models import Models
from edgellm.sdk.monitoring import Monitoring
from edgellm.sdk.options import ChatOptions, CompleteOptions
from edgellm.sdk.pretraining import Pretraining
from edgellm.sdk.reviews import Reviews
from edgellm.sdk.scoring import Scoring
from edgellm.sdk.servers import Servers
from edgellm.sdk.serving import Aliases, Answers, Audit, Keys, Use
from edgellm.sdk.sessions import Sessions
from edgellm.sdk.stream import ReplyStream, whole_async
from edgellm.sdk.training import Training
from edgellm.settings import Settings
from edgellm.types import Reply, Scored


class AsyncSessions(Awaitables[Sessions]):
    """`Sessions`, awaitable."""

    create = awaitable(Sessions.create)
    get = awaitable(Sessions.get)
    list = awaitable(Sessions.list)
    latest = awaitable(Sessions.latest)
    messages = awaitable(Sessions.messages)
    siblings = awaitable(Sessions.siblings)
    forks = awaitable(Sessions.forks)
    switch = awaitable(Sessions.switch)
    rename = awaitable(Sessions.rename)
    delete = awaitable(Sessions.delete)
    search = awaitable(Sessions.search)
    export = awaitable(Sessions.export)
    rate = awaitable(Sessions.rate)
    correct = awaitable(Sessions.correct)
    regenerate = awaitable(Sessions.regenerate)
    regenerate_stream = awaitable(Sessions.regenerate_stream)


class AsyncModels(Awaitables[Models]):
    """`Models`, awaitable. Callbacks run in the thread that does the work."""

    list = awaitable(Models.list)
    get = awaitable(Models.get)
    resolve = awaitable(Models.resolve)
    cards = awaitable(Models.cards)
    card = awaitable(Models.card)
    hardware = awaitable(Models.hardware)
    fit = awaitable(Models.fit)
    fits = awaitable(Models.fits)
    inspect = awaitable(Models.inspect)
    add = awaitable(Models.add)
    add_folder = awaitable(Models.add_folder)
    pull = awaitable(Models.pull)
    verify = awaitable(Models.verify)
    remove = awaitable(Models.remove)
    loaded = awaitable(Models.loaded)
    load = awaitable(Models.load)
    unload = awaitable(Models.unload)


class AsyncAdapters(Awaitables[Adapters]):
    """`Adapters`, awaitable."""

    list = awaitable(Adapters.list)
    get = awaitable(Adapters.get)
    remove = awaitable(Adapters.remove)
    attach = awaitable(Adapters.attach)


class AsyncDatasets(Awaitables[Datasets]):
    """`Datasets`, awaitable. Callbacks run in the thread that does the work."""

    check = awaitable(Datasets.check)
    build = awaitable(Datasets.build)
    list = awaitable(Datasets.list)
    damaged = awaitable(Datasets.damaged)
    show = awaitable(Datasets.show)
    remove = awaitable(Datasets.remove)


class AsyncDrafts(Awaitables[Drafts]):
    """`Drafts`, awaitable."""

    start = awaitable(Drafts.start)
    list = awaitable(Drafts.list)
    open = awaitable(Drafts.open)
    decide = awaitable(Drafts.decide)
    remove = awaitable(Drafts.remove)


class AsyncCollections(Awaitables[Collections]):
    """`Collections`, awaitable."""

    list = awaitable(Collections.list)
    remove = awaitable(Collections.remove)


class AsyncDocuments(Awaitables[Documents]):
    """`Documents`, awaitable; `ask` goes through `AsyncEdgeLLM.chat`, so that cancelling reaches the request."""

    add = awaitable(Documents.add)
    sync = awaitable(Documents.sync)
    reindex = awaitable(Documents.reindex)
    search = awaitable(Documents.search)
    evaluate = awaitable(Documents.evaluate)
    files = awaitable(Documents.files)
    page = awaitable(Documents.page)
    remove = awaitable(Documents.remove)
    verify = awaitable(Documents.verify)

    def __init__(self, blocking: Documents, edge: AsyncEdgeLLM) -> None:
        super().__init__(blocking)
        self._edge = edge

    @overload
    async def ask(self, question: str, *, stream: Literal[False] = ..., **options: Unpack[ChatOptions]) -> Reply: ...

    @overload
    async def ask(self, question: str, *, stream: Literal[True], **options: Unpack[ChatOptions]) -> ReplyStream: ...

    async def ask(self, question: str, *, stream: bool = False, **options: Unpack[ChatOptions]) -> Reply | ReplyStream:
        """Answer from the collection's passages."""
        options["documents"] = self.blocking.name
        return await (
            self._edge.chat(question, stream=True, **options) if stream else self._edge.chat(question, **options)
        )


class AsyncTraining(Awaitables[Training]):
    """`Training`, awaitable."""

    start = awaitable(Training.start)
    plan = awaitable(Training.plan)
    list = awaitable(Training.list)


class AsyncPretraining(Awaitables[Pretraining]):
    """`Pretraining`, awaitable."""

    start = awaitable(Pretraining.start)


class AsyncExports(Awaitables[Exports]):
    """`Exports`, awaitable."""

    start = awaitable(Exports.start)
    compare = awaitable(Exports.compare)
    list = awaitable(Exports.list)
    damaged = awaitable(Exports.damaged)


class AsyncBundles(Awaitables[Bundles]):
    """`Bundles`, awaitable. Callbacks run in the thread that does the work."""

    create = awaitable(Bundles.create)
    show = awaitable(Bundles.show)
    open = awaitable(Bundles.open)


class AsyncJobs(Awaitables[Jobs]):
    """`Jobs`, awaitable; `follow` is for threads: use `Jobs.follow` in one."""

    start = awaitable(Jobs.start)
    list = awaitable(Jobs.list)
    get = awaitable(Jobs.get)
    latest = awaitable(Jobs.latest)
    events = awaitable(Jobs.events)
    cancel = awaitable(Jobs.cancel)
    resume = awaitable(Jobs.resume)


class AsyncImprove(Awaitables[Improve]):
    """`Improve`, awaitable."""

    plan = awaitable(Improve.plan)
    begin = awaitable(Improve.begin)
    resume = awaitable(Improve.resume)
    running = awaitable(Improve.running)
    list = awaitable(Improve.list)
    get = awaitable(Improve.get)
    history = awaitable(Improve.history)
    promote = awaitable(Improve.promote)
    learnt_by = awaitable(Improve.learnt_by)
    evidence = awaitable(Improve.evidence)
    schedule = awaitable(Improve.schedule)
    unschedule = awaitable(Improve.unschedule)


class AsyncKeys(Awaitables[Keys]):
    """`Keys`, awaitable."""

    create = awaitable(Keys.create)
    absent = awaitable(Keys.absent)
    list = awaitable(Keys.list)
    get = awaitable(Keys.get)
    find = awaitable(Keys.find)
    revoke = awaitable(Keys.revoke)
    used = awaitable(Keys.used)


class AsyncAudit(Awaitables[Audit]):
    """`Audit`, awaitable."""

    add = awaitable(Audit.add)
    list = awaitable(Audit.list)
    verify = awaitable(Audit.verify)


class AsyncAliases(Awaitables[Aliases]):
    """`Aliases`, awaitable."""

    set = awaitable(Aliases.set)
    get = awaitable(Aliases.get)
    list = awaitable(Aliases.list)
    remove = awaitable(Aliases.remove)
    history = awaitable(Aliases.history)
    resolve = awaitable(Aliases.resolve)


class AsyncAnswers(Awaitables[Answers]):
    """`Answers`, awaitable."""

    add = awaitable(Answers.add)
    get = awaitable(Answers.get)
    unanswered = awaitable(Answers.unanswered)
    rate = awaitable(Answers.rate)
    replaces = awaitable(Answers.replaces)
    prune = awaitable(Answers.prune)


class AsyncReviews(Awaitables[Reviews]):
    """`Reviews`, awaitable."""

    list = awaitable(Reviews.list)
    get = awaitable(Reviews.get)
    count = awaitable(Reviews.count)
    accept = awaitable(Reviews.accept)
    reject = awaitable(Reviews.reject)
    reopen = awaitable(Reviews.reopen)
    merge = awaitable(Reviews.merge)
    clusters = awaitable(Reviews.clusters)
    masked = awaitable(Reviews.masked)
    lessons = awaitable(Reviews.lessons)
    write = awaitable(Reviews.write)


class AsyncUse(Awaitables[Use]):
    """`Use`, awaitable."""

    add = awaitable(Use.add)
    totals = awaitable(Use.totals)


class AsyncMonitoring(Awaitables[Monitoring]):
    """`Monitoring`, awaitable. Callbacks run in the thread that does the work."""

    report = awaitable(Monitoring.report)
    page = awaitable(Monitoring.page)


class AsyncServers(Awaitables[Servers]):
    """`Servers`, awaitable."""

    begin = awaitable(Servers.begin)
    start = awaitable(Servers.start)
    status = awaitable(Servers.status)
    last_words = awaitable(Servers.last_words)
    stop = awaitable(Servers.stop)
    live = awaitable(Servers.live)
    log = awaitable(Servers.log)


class AsyncEdgeLLM(Awaitables[EdgeLLM]):
    """EdgeLLM for asyncio programs; see `EdgeLLM` for arguments and errors."""

    embed = awaitable(EdgeLLM.embed)
    tokenize = awaitable(EdgeLLM.tokenize)
    detokenize = awaitable(EdgeLLM.detokenize)
    answer_tokens = awaitable(EdgeLLM.answer_tokens)
    count = awaitable(EdgeLLM.count)
    rerank = awaitable(EdgeLLM.rerank)
    scoring = awaitable(EdgeLLM.scoring)
    stats = awaitable(EdgeLLM.stats)
    memory_bytes = awaitable(EdgeLLM.memory_bytes)
    close = awaitable(EdgeLLM.close)

    def __init__(
        self,
        model: str | None = None,
        *,
        home: str | Path | Home | None = None,
        settings: Settings | None = None,
        offline: bool | None = None,
    ) -> None:
        super().__init__(EdgeLLM(model, home=home, settings=settings, offline=offline))
        self.sessions = AsyncSessions(self.blocking.sessions)
        self.keys = AsyncKeys(self.blocking.keys)
        self.audit = AsyncAudit(self.blocking.audit)
        self.aliases = AsyncAliases(self.blocking.aliases)
        self.answers = AsyncAnswers(self.blocking.answers)
        self.reviews = AsyncReviews(self.blocking.reviews)
        self.usage = AsyncUse(self.blocking.usage)
        self.server = AsyncServers(self.blocking.server)
        self.models = AsyncModels(self.blocking.models)
        self.adapters = AsyncAdapters(self.blocking.adapters)
        self.datasets = AsyncDatasets(self.blocking.datasets)
        self.drafts = AsyncDrafts(self.blocking.drafts)
        self.jobs = AsyncJobs(self.blocking.jobs)
        self.training = AsyncTraining(self.blocking.training)
        self.pretraining = AsyncPretraining(self.blocking.pretraining)
        self.exports = AsyncExports(self.blocking.exports)
        self.bundles = AsyncBundles(self.blocking.bundles)
        self.collections = AsyncCollections(self.blocking.collections)
        self.monitor = AsyncMonitoring(self.blocking.monitor)
        self.evals = AsyncEvals(self.blocking.evals)
        self.promotion = AsyncPromotion(self.blocking.promotion)
        self.improve = AsyncImprove(self.blocking.improve)

    def documents(self, name: str) -> AsyncDocuments:
        """The collection of documents with this name."""
        return AsyncDocuments(self.blocking.documents(name), self)

    @overload
    async def chat(
        self, prompt: Prompt | None, *, stream: Literal[False] = ..., **options: Unpack[ChatOptions]
    ) -> Reply: ...

    @overload
    async def chat(
        self, prompt: Prompt | None, *, stream: Literal[True], **options: Unpack[ChatOptions]
    ) -> ReplyStream: ...

    async def chat(
        self, prompt: Prompt | None, *, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> Reply | ReplyStream:
        """Answer a prompt or a conversation; cancelling the task cancels the request."""
        running = await begun(lambda: self.blocking.chat(prompt, stream=True, **options), ReplyStream.close)
        return running if stream else await whole_async(running)

    @overload
    async def complete(
        self, prompt: str | Sequence[int], *, stream: Literal[False] = ..., **options: Unpack[CompleteOptions]
    ) -> Reply: ...

    @overload
    async def complete(
        self, prompt: str | Sequence[int], *, stream: Literal[True], **options: Unpack[CompleteOptions]
    ) -> ReplyStream: ...

    async def complete(
        self, prompt: str | Sequence[int], *, stream: bool = False, **options: Unpack[CompleteOptions]
    ) -> Reply | ReplyStream:
        """Continue a text as it stands, or token ids, without a chat template."""
        running = await begun(lambda: self.blocking.complete(prompt, stream=True, **options), ReplyStream.close)
        return running if stream else await whole_async(running)

    async def score(
        self, prompt: str | Sequence[int], *, model: str | None = None, alternatives: int = 0, tenant: str = ""
    ) -> Scored:
        """How probable the model finds a text; cancelling the task cancels the request."""
        begin = partial(self.blocking.scoring, prompt, model=model, alternatives=alternatives, tenant=tenant)
        scoring = await begun(begin, Scoring.close)
        scored = await scoring.finish_async()
        if not tenant:
            await asyncio.to_thread(self.blocking._count_scoring, scoring)
        return scored

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()
