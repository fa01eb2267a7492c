"""EdgeLLM: one object for everything a program does with local models."""

from __future__ import annotations

import os
import threading
from collections.abc import Container, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, Unpack, overload

from edgellm.engine.metrics import EngineMetrics
from edgellm.engine.stream import Stream
from edgellm.engine.wire import OptionFields
from edgellm.errors import EdgeLLMError, InvalidInput, ModelLoadFailed
from edgellm.hub.names import split_adapter
from edgellm.paths import Home, home_from
from edgellm.sampling import check_sampling
from edgellm.sdk.adapters import Adapters
from edgellm.sdk.addressing import Addressing, Target
from edgellm.sdk.bundles import Bundles
from edgellm.sdk.conversation import Ask, prepare, seeded
from edgellm.sdk.datasets import Datasets
from edgellm.sdk.documents import Collections, Documents
from edgellm.sdk.drafts import Drafts
from edgellm.sdk.engines import Engines, Opened
from edgellm.sdk.evaluation import Evals, Means
from edgellm.sdk.exports import Exports
from edgellm.sdk.improve import Improve
from edgellm.sdk.improve_planning import Means as ImproveMeans
from edgellm.sdk.inspections import library_in
from edgellm.sdk.jobs import Jobs
from edgellm.sdk.models import Models
from edgellm.sdk.monitor_look import Means as MonitorMeans
from edgellm.sdk.monitoring import Monitoring
from edgellm.sdk.open_collections import OpenCollections
from edgellm.sdk.options import ChatOptions, CompleteOptions, check_names
from edgellm.sdk.pretraining import Pretraining
from edgellm.sdk.promotion import Promotion
from edgellm.sdk.record import Record
from edgellm.sdk.reviews import Reviews
from edgellm.sdk.said import said
from edgellm.sdk.scoring import AnswerTokens, Scoring, answer_tokens, begin
from edgellm.sdk.servers import Servers
from edgellm.sdk.serving import Aliases, Answers, Audit, Keys, Limits, Use
from edgellm.sdk.sessions import Sessions
from edgellm.sdk.stream import ReplyStream, whole
from edgellm.sdk.training import Training
from edgellm.settings import Settings, load_settings
from edgellm.store import Store, UsageRow, open_store
from edgellm.types import Message, Reply, Sampling, Scored, Token, Tool

if TYPE_CHECKING:
    from edgellm.sdk.remote import RemoteEdgeLLM

Prompt = str | Sequence[Message]


class EdgeLLM:
    """Chat, complete, embed and tokenize with models on this machine; sessions and models beside them.

    Opens nothing until it is used and keeps no global state: several instances live side by side in one process.
    Thread-safe. Use it as a context manager, or call `close`.

    Args:
        model: name of the model used when a call names none; None takes the settings' default.
        home: folder for everything EdgeLLM keeps; None follows `EDGELLM_HOME` and the platform.
        settings: replaces the settings file and the environment.
        offline: True refuses everything that needs a network, even a name look-up.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        home: str | Path | Home | None = None,
        settings: Settings | None = None,
        offline: bool | None = None,
    ) -> None:
        self.home = _home(home)
        self.settings = settings if settings is not None else load_settings(self.home, os.environ)
        self.model = model or self.settings.default_model
        self.offline = self.settings.offline if offline is None else offline
        self._lock = threading.Lock()
        self._opened_store: Store | None = None
        library = library_in(self.home)
        self._engines = Engines(self.home, self.settings, library)
        self.aliases = Aliases(self._store)
        self._addressing = Addressing(self._engines, self.aliases.resolve)
        self.jobs = Jobs(self.home, self._store)
        self.models = Models(
            library,
            self._engines,
            self.jobs,
            self._addressing,
            offline=self.offline,
            endpoint=self.settings.hub_endpoint,
        )
        self.adapters = Adapters(self.home, library)
        self.sessions = Sessions(self._store, self._answer_again, self._engines.forget_conversation)
        self.keys = Keys(self._store, self._absent)
        self.audit = Audit(self._store)
        self.answers = Answers(self._store)
        self.reviews = Reviews(self._store, self.home, self.settings.default_embedder)
        self.usage = Use(self._store)
        self.server = Servers(self.home, self._addressing.resolve, self.model, offline=self.offline)
        self.datasets = Datasets(self.home, self._store, self._engines)
        self.drafts = Drafts(self.home, self.jobs, self._engines)
        self.training = Training(self.home, self.jobs, self.datasets, library)
        self.pretraining = Pretraining(self.jobs, library)
        self.exports = Exports(self.home, library, self.jobs)
        self.bundles = Bundles(self.home, library)
        self._open_collections = OpenCollections(self.home, self.settings.reranker)
        self.collections = Collections(self.home, self._open_collections)
        self.evals = Evals(self.home, self.jobs, self._means())
        self.promotion = Promotion(self.evals, self._store)
        self.improve = Improve(self._improve_means())
        self.monitor = Monitoring(self._store, self._monitor_means())

    @staticmethod
    def remote(url: str, key: str | None = None, *, model: str | None = None) -> RemoteEdgeLLM:
        """The same, answered by a server at `url`: `RemoteEdgeLLM`, whose arguments these are."""
        from edgellm.sdk.remote import RemoteEdgeLLM  # an HTTP client that a program without a server does not need

        return RemoteEdgeLLM(url, key, model=model)

    def documents(self, name: str) -> Documents:
        """The collection of documents with this name, there or yet to be made by its `add`."""
        return Documents(name, self.jobs, self._open_collections, self.chat)

    @overload
    def chat(self, prompt: Prompt | None, *, stream: Literal[False] = ..., **options: Unpack[ChatOptions]) -> Reply: ...

    @overload
    def chat(self, prompt: Prompt | None, *, stream: Literal[True], **options: Unpack[ChatOptions]) -> ReplyStream: ...

    def chat(
        self, prompt: Prompt | None, *, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> Reply | ReplyStream:
        """Answer a prompt or a conversation.

        Args:
            prompt: the user's text, or messages; None answers the stored message `parent` again (in a session).
            stream: True returns a `ReplyStream` at once.
            options: see `ChatOptions`.

        Raises: ModelNotFound, ModelError, StoreError and InvalidInput (prompt, sampling) at once; InvalidInput
        (constraint), ContextOverflow, ModelLoadFailed and EngineError from the iteration when streaming.
        """
        check_names(options, ChatOptions)
        sampling = self._sampling(options)
        target = self._target(options.get("model"), options.get("session"))
        collection = options["documents"] = options.get("documents") or target.collection
        documents = self.documents(collection) if collection else None
        if documents is not None:
            documents.check()  # before the question is stored
        ask = prepare(self._store, prompt, options, seeded(sampling))
        opened = self._engines.open(target.model, mode="generate")
        if documents is not None:
            from edgellm.sdk.grounding import grounded_ask  # what reads documents is loaded by the first such question

            ask = grounded_ask(ask, documents, opened.worker)
        running = self._run(opened, ask, _sent(opened, ask, options))
        return running if stream else whole(running)

    @overload
    def complete(
        self, prompt: str | Sequence[int], *, stream: Literal[False] = ..., **options: Unpack[CompleteOptions]
    ) -> Reply: ...

    @overload
    def complete(
        self, prompt: str | Sequence[int], *, stream: Literal[True], **options: Unpack[CompleteOptions]
    ) -> ReplyStream: ...

    def complete(
        self, prompt: str | Sequence[int], *, stream: bool = False, **options: Unpack[CompleteOptions]
    ) -> Reply | ReplyStream:
        """Continue a text as it stands, or token ids, without a chat template. Arguments and errors as in `chat`."""
        check_names(options, CompleteOptions)
        ask = Ask((), self._sampling(options), is_counted=options.get("trusted", True))
        opened = self._engines.open(self._target(options.get("model")).model, mode="generate")
        written = opened.worker.complete(prompt, **_fields(opened, ask, options))
        running = self._run(opened, ask, written)
        return running if stream else whole(running)

    def embed(self, texts: Sequence[str], *, model: str | None = None) -> list[list[float]]:
        """One unit-length vector per text. Raises: InvalidInput for an empty text, ModelError, EngineError."""
        name = model or self.settings.default_embedder
        if not name:
            message = "No embedding model was named and the settings name none."
            raise InvalidInput(message, hint="Give model=..., or set default_embedder.", field="model")
        return self._engines.worker(name, mode="embed")[1].embed(texts)

    def tokenize(self, text: str, *, model: str | None = None, special: bool = False, bos: bool = False) -> list[Token]:
        """The tokens the model reads the text as; with `special`, spelled control tokens become control tokens.

        `bos`: with the token that begins a text, where the model has one.
        """
        return self._engines.worker(self._target(model).model)[1].tokenize(text, parse_special=special, add_bos=bos)

    def answer_tokens(self, messages: Sequence[Message], *, model: str | None = None) -> AnswerTokens:
        """A conversation that ends with an answer as the model reads it, and where the answer stands: for `score`.

        Raises: InvalidInput, ModelError.
        """
        return answer_tokens(self._engines.worker(self._target(model).model, mode="generate")[1], messages)

    def detokenize(self, ids: Sequence[int], *, model: str | None = None) -> str:
        """The text of tokens; control tokens have none. Raises: InvalidInput for an id that the model does not have."""
        return self._engines.worker(self._target(model).model)[1].detokenize(ids)

    def count(self, messages: Sequence[Message], *, model: str | None = None, tools: Sequence[Tool] = ()) -> int:
        """How many tokens a conversation has as the model reads it: with its template, ready for the next answer.

        Raises: InvalidInput, ModelError.
        """
        return self._engines.worker(self._target(model).model, mode="generate")[1].count(messages, tools)

    def score(
        self, prompt: str | Sequence[int], *, model: str | None = None, alternatives: int = 0, tenant: str = ""
    ) -> Scored:
        """How probable the model finds a text: the log-probability of each of its tokens after the first.

        Args:
            prompt: a text, or token ids; at most as many as the context holds.
            alternatives: how many of the most probable tokens to name at each position (0 to 20).
            tenant: whose text this is.

        Raises: ContextOverflow, InvalidInput, ModelError, EngineError; StoreError when it cannot be counted.
        """
        scoring = self.scoring(prompt, model=model, alternatives=alternatives, tenant=tenant)
        scored = scoring.finish()
        if not tenant:
            self._count_scoring(scoring)
        return scored

    def scoring(
        self,
        prompt: str | Sequence[int],
        *,
        model: str | None = None,
        alternatives: int = 0,
        tenant: str = "",
        deadline_s: float | None = None,
    ) -> Scoring:
        """As `score`, begun and not waited for: who ends it, and who counts what it read, is the caller's matter."""
        opened = self._engines.open(self._target(model).model, mode="generate")
        return begin(opened, prompt, alternatives, tenant, deadline_s)

    def rerank(self, question: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the question, by the reranker that the settings name.

        Returns: a score a text; larger is better, comparable for one question only. What is longer than the reranker
        reads is cut. Raises: InvalidInput, also without a reranker; MissingExtra, ModelRejected, WorkerDied.
        """
        return [float(score) for score in self._open_collections.reranker().rerank(question, texts)]

    def stats(self, model: str | None = None) -> EngineMetrics | None:
        """Counters of a loaded model; None when it is not loaded."""
        return self._engines.stats(self._target(model).model)

    def memory_bytes(self, model: str | None = None) -> int:
        """Resident memory of a loaded model's process, model file included; 0 when it is not loaded."""
        return self._engines.memory_bytes(self._target(model).model)

    def close(self) -> None:
        """Save conversations, stop the workers, close the store. Safe to call twice."""
        self._open_collections.close()
        self._engines.close()
        with self._lock:
            store, self._opened_store = self._opened_store, None
        if store is not None:
            store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _means(self) -> Means:
        return Means(
            engines=self._engines,
            chat=self.chat,
            documents=self.documents,
            opened=self._open_collections,
            resolve=self.aliases.resolve,
        )

    def _improve_means(self) -> ImproveMeans:
        return ImproveMeans(
            home=self.home,
            jobs=self.jobs,
            models=self.models,
            evals=self.evals,
            promotion=self.promotion,
            aliases=self.aliases,
            reviews=self.reviews,
        )

    def _monitor_means(self) -> MonitorMeans:
        return MonitorMeans(
            home=self.home, embedder=self.settings.default_embedder, model=self.model, documents=self.documents
        )

    def _absent(self, limits: Limits) -> tuple[str, ...]:
        """The names in a key's limits that nothing here answers to."""
        adapters = {adapter.name for adapter in self.adapters.list()}
        collections = {info.name for info in self.collections.list()}
        bound = () if limits.adapter is None or limits.adapter in adapters else (f"@{limits.adapter}",)
        asked = (f"+{name}" for name in limits.collections if name not in collections)
        return (*(name for name in limits.models if not self._is_here(name, adapters)), *bound, *asked)

    def _is_here(self, name: str, adapters: Container[str]) -> bool:
        _, adapter = split_adapter(name)
        if self._engines.knows(name):
            return adapter is None or adapter in adapters
        return self.aliases.resolve(name) != name

    def _sampling(self, options: CompleteOptions) -> Sampling:
        """What was asked for, or the settings' own; refused before anything is stored. Raises: InvalidInput."""
        sampling = options.get("sampling") or self.settings.sampling
        check_sampling(sampling)
        return sampling

    def _target(self, model: str | None, session: str | None = None) -> Target:
        """Who is asked: the model that is named, else the session's, else this EdgeLLM's own.

        Raises: SessionNotFound, ModelNotFound, StoreError.
        """
        kept = self.sessions.get(session).model if model is None and session is not None else None
        return self._addressing.target(model or kept or self.model)

    def _run(self, opened: Opened, ask: Ask, source: Stream) -> ReplyStream:
        def failed(error: EdgeLLMError) -> None:
            if isinstance(error, ModelLoadFailed):
                self._engines.unload(opened.name)

        return ReplyStream(source, opened.name, Record(self._store, ask), failed)

    def _answer_again(
        self, session_id: str, asked_id: str, sampling: Sampling | None, collection: str | None
    ) -> ReplyStream:
        return self.chat(
            None, session=session_id, parent=asked_id, sampling=sampling, documents=collection, stream=True
        )

    def _count_scoring(self, scoring: Scoring) -> None:
        """Note what was read as this machine's own use. Raises: StoreError."""
        self.usage.add(UsageRow(model=scoring.model, usage=scoring.usage, timings=scoring.timings))

    def _store(self) -> Store:
        with self._lock:
            if self._opened_store is None:
                self._opened_store = open_store(self.home.store)
            return self._opened_store


def _sent(opened: Opened, ask: Ask, options: ChatOptions) -> Stream:
    """The conversation, handed to the model's worker; without evidence no model is asked."""
    if ask.grounding is not None and ask.grounding.is_weak:
        return said(ask.grounding.refusal)
    fields: OptionFields = {
        **_fields(opened, ask, options),
        "conversation": ask.session_id,
        "keep": options.get("keep", "newest"),
        "tools": tuple(options.get("tools", ())),
        "tool_choice": options.get("tool_choice", "auto"),
    }
    return opened.worker.chat(ask.messages, **fields)


def _fields(opened: Opened, ask: Ask, options: CompleteOptions) -> OptionFields:
    """What every request tells the worker."""
    return {
        "sampling": ask.sampling,
        "adapter": opened.adapter,
        "constraint": options.get("constraint"),
        "deadline_s": options.get("deadline_s"),
        "tenant": options.get("tenant", ""),
        "trusted": options.get("trusted", True),
    }


def _home(home: str | Path | Home | None) -> Home:
    if isinstance(home, Home):
        return home
    if home is None:
        return home_from(os.environ)
    return home_from({"EDGELLM_HOME": str(home)})
