"""Who is judged: a model of this machine, with adapter and collection, or a server."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import edgellm
from edgellm.errors import InvalidInput, NotFound
from edgellm.evals.values import Asked, Likelihood, Said
from edgellm.hub.installed import sha256_of
from edgellm.retrieval.ground.evidence import MOST_PASSAGES
from edgellm.retrieval.ground.passages import Passage
from edgellm.sdk.addressing import Target
from edgellm.sdk.engines import FAKE, Opened
from edgellm.sdk.eval_ground import checked, passages_of, support_of, with_passages
from edgellm.sdk.evaluation import Means
from edgellm.sdk.options import ChatOptions
from edgellm.sdk.scoring import AnswerTokens, answer_tokens, begin
from edgellm.settings import REMOTE_KEY
from edgellm.types import Message, Reply, Scored

PIECE_TOKENS = 1024
"""A text whose perplexity is measured is read in pieces of this length, each from an empty context."""


class LocalSubject:
    """A model of this machine. Raises, from every method: ModelError, EngineError, StoreError, InvalidInput."""

    can_weigh = True

    def __init__(self, means: Means, name: str, target: Target) -> None:
        """`name`: as the user wrote it. Opens the model. Raises: ModelNotFound, ModelError, CollectionNotFound."""
        self.name = name
        self._means, self._target = means, target
        self._opened = means.engines.open(target.model, lambda _share: None, mode="generate")
        if target.collection is not None:
            means.documents(target.collection).check()
        self.identity = _identity(means, self._opened, target)

    def answer(self, asked: Asked) -> Said:
        """The model's answer, from the case's passages or the collection where there are any."""
        options: ChatOptions = {"model": self._target.model, "sampling": asked.sampling, "keep": "all"}
        if asked.constraint is not None:
            options["constraint"] = asked.constraint
        if asked.tools:
            options["tools"] = asked.tools
        began = time.monotonic()
        if asked.passages or asked.planted:
            passages = passages_of(asked.passages) or self._found(asked.messages[-1].content)
            shown = [*passages, *passages_of([asked.planted], len(passages))] if asked.planted else passages
            reply = self._means.chat(with_passages(asked.messages, shown), **options)
            text, support = checked(reply.text, shown)
            return replace(_said(reply, began), text=text, support=support)
        if self._target.collection is not None and not asked.tools:
            options["documents"] = self._target.collection
        reply = self._means.chat(asked.messages, **options)
        said = _said(reply, began)
        return said if reply.evidence is None else replace(said, support=support_of(reply.text, reply.evidence))

    def likelihood(self, messages: Sequence[Message], text: str) -> Likelihood:
        """How probable a text is, as the answer to messages or alone; without documents, and without the turn's end."""
        worker = self._opened.worker
        if messages:
            return _answer_likelihood(answer_tokens(worker, _answered(messages, text)), self._score)
        tokens = [token.id for token in worker.tokenize(text, add_bos=True)]
        return _text_likelihood(tokens, min(PIECE_TOKENS, worker.info.context_tokens - 1), self._score)

    def _score(self, tokens: Sequence[int]) -> Scored:
        return begin(self._opened, tuple(tokens), 0, "").finish()

    def _found(self, question: str) -> list[Passage]:
        """Passages of the collection; none where the subject has no collection."""
        if self._target.collection is None:
            return []
        hits = self._means.documents(self._target.collection).search(question, limit=MOST_PASSAGES)
        return [replace(each, hit=hit) for each, hit in zip(passages_of([hit.text for hit in hits]), hits, strict=True)]


class RemoteSubject:
    """A server's model. Its answers are kept for one run alone: nobody here knows when it changes."""

    def __init__(self, name: str, run: str, environment: Mapping[str, str]) -> None:
        """`name`: http://HOST:PORT, `#MODEL` behind it for another than the server's own. Raises: InvalidInput."""
        from edgellm.sdk.remote import RemoteEdgeLLM  # an HTTP client that other subjects do not need

        url, _, model = name.partition("#")
        self.name = name
        self.identity = _digest("server", url, model, run)
        self._edge = RemoteEdgeLLM(url, environment.get(REMOTE_KEY), model=model or None)

    @cached_property
    def can_weigh(self) -> bool:
        """Whether the server says how probable texts are, as one of EdgeLLM does. Raises: EngineError."""
        try:
            self._edge.answer_tokens(_answered((Message(role="user", content="1"),), "1"))
        except (InvalidInput, NotFound):
            return False
        return True

    def answer(self, asked: Asked) -> Said:
        """The server's answer."""
        if asked.planted:
            message = f"A passage cannot be planted in a collection of the server {self.name!r}."
            raise InvalidInput(message, hint="Judge a model with its collection on that machine.", field="planted")
        options: ChatOptions = {"sampling": asked.sampling}
        if asked.constraint is not None:
            options["constraint"] = asked.constraint
        if asked.tools:
            options["tools"] = asked.tools
        began, passages = time.monotonic(), passages_of(asked.passages)
        messages = with_passages(asked.messages, passages) if passages else asked.messages
        reply = self._edge.chat(messages, **options)
        if not passages:
            return _said(reply, began)
        text, support = checked(reply.text, passages)
        return replace(_said(reply, began), text=text, support=support)

    def likelihood(self, messages: Sequence[Message], text: str) -> Likelihood:
        """As `LocalSubject.likelihood`, by the server's tokens."""
        if messages:
            return _answer_likelihood(self._edge.answer_tokens(_answered(messages, text)), self._edge.score)
        tokens = [token.id for token in self._edge.tokenize(text, bos=True)]
        return _text_likelihood(tokens, PIECE_TOKENS, self._edge.score)

    def close(self) -> None:
        """Close the connections."""
        self._edge.close()


def _answered(messages: Sequence[Message], text: str) -> list[Message]:
    return [*messages, Message(role="assistant", content=text)]


Scores = Callable[[Sequence[int]], Scored]
"""The log-probability of each token after the first."""


def _answer_likelihood(found: AnswerTokens, score: Scores) -> Likelihood:
    """Of the answer's tokens, each after all before it."""
    traces = score(found.tokens[: found.end]).tokens[found.start - 1 :]
    return Likelihood(sum(trace.logprob for trace in traces), len(traces))


def _text_likelihood(tokens: Sequence[int], piece_tokens: int, score: Scores) -> Likelihood:
    """Of every token but the first of each piece."""
    pieces = [tokens[at : at + piece_tokens] for at in range(0, len(tokens), piece_tokens)]
    traces = [trace for piece in pieces if len(piece) > 1 for trace in score(piece).tokens]
    return Likelihood(sum(trace.logprob for trace in traces), len(traces))


def _said(reply: Reply, began: float) -> Said:
    choice = reply.choices[0]
    return Said(
        text=choice.text,
        finish_reason=str(choice.finish_reason),
        tool_calls=choice.tool_calls,
        completion_tokens=reply.usage.completion_tokens,
        seconds=time.monotonic() - began,
    )


def _identity(means: Means, opened: Opened, target: Target) -> str:
    """Hashes of EdgeLLM's version, the model's file, the adapter's, and the collection with its files."""
    config = opened.worker.config
    model = config.model_path if config.model_path.startswith(FAKE) else sha256_of(Path(config.model_path))
    adapter = sha256_of(Path(opened.adapter)) if opened.adapter else ""
    collection = "" if target.collection is None else means.opened.use(target.collection, _state_of)
    return _digest(edgellm.__version__, model, adapter, config.kv_type, collection)


def _state_of(collection: Any) -> str:
    files = sorted(f"{stored.file.name}\0{stored.file.sha256}" for stored in collection.files())
    return _digest(collection.identity.sha256, *files)


def _digest(*parts: str) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(hashlib.sha256(part.encode("utf-8", "surrogateescape")).digest())
    return found.hexdigest()
