"""Who is judged: a model of this machine, with adapter and collection, or a server."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import edgellm
from edgellm.errors import InvalidInput
from edgellm.evals.values import Asked, Likelihood, Said
from edgellm.hub.installed import sha256_of
from edgellm.retrieval.ground.evidence import MOST_PASSAGES
from edgellm.retrieval.ground.passages import Passage
from edgellm.sdk.engines import FAKE, Opened
from edgellm.sdk.eval_ground import checked, passages_of, support_of, with_passages
from edgellm.sdk.evaluation import Means
from edgellm.sdk.options import ChatOptions
from edgellm.sdk.scoring import begin
from edgellm.settings import REMOTE_KEY
from edgellm.types import Message, Reply

ADDRESSES = ("http://", "https://")
PIECE_TOKENS = 1024
"""A text whose perplexity is measured is read in pieces of this length, each from an empty context."""


@dataclass(frozen=True, slots=True)
class Target:
    """A subject's name, taken apart."""

    model: str
    collection: str | None

    def __str__(self) -> str:
        return self.model if self.collection is None else f"{self.model}+{self.collection}"


def target_of(name: str) -> Target:
    """Take `MODEL[@ADAPTER][+COLLECTION]` apart; a path to a .gguf file may hold a plus."""
    model, plus, collection = name.rpartition("+")
    if not plus or collection.endswith(".gguf") or "/" in collection or name.startswith(FAKE):
        return Target(name, None)
    if not model or not collection:
        raise InvalidInput(f"{name!r} names no model, or no collection behind the plus.", field="on")
    return Target(model, collection)


def is_address(name: str) -> bool:
    """Whether a subject is a server."""
    return name.startswith(ADDRESSES)


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
        if not messages:
            return self._text_likelihood(text)
        conversation = [*messages, Message(role="assistant", content=text)]
        rows = self._opened.worker.training_rows([conversation])[0]
        if isinstance(rows, str):
            raise InvalidInput(f"A choice cannot be weighed: {rows}", field="messages")
        start, end = rows[-1].supervised[-1]
        return self._weighed(rows[-1].tokens, start, end - 1)

    def _text_likelihood(self, text: str) -> Likelihood:
        worker = self._opened.worker
        tokens = [token.id for token in worker.tokenize(text, add_bos=True)]
        most = min(PIECE_TOKENS, worker.info.context_tokens - 1)
        pieces = [tuple(tokens[at : at + most]) for at in range(0, len(tokens), most)]
        found = [self._weighed(piece, 1, len(piece)) for piece in pieces if len(piece) > 1]
        return Likelihood(sum(each.nats for each in found), sum(each.tokens for each in found))

    def _weighed(self, tokens: Sequence[int], start: int, end: int) -> Likelihood:
        """The tokens from `start` to before `end`, each after all before it."""
        traces = begin(self._opened, tuple(tokens[:end]), 0, "").finish().tokens  # without the first token
        return Likelihood(sum(trace.logprob for trace in traces[start - 1 : end - 1]), end - start)

    def _found(self, question: str) -> list[Passage]:
        """Passages of the collection; none where the subject has no collection."""
        if self._target.collection is None:
            return []
        hits = self._means.documents(self._target.collection).search(question, limit=MOST_PASSAGES)
        return [replace(each, hit=hit) for each, hit in zip(passages_of([hit.text for hit in hits]), hits, strict=True)]


class RemoteSubject:
    """A server's model. Its answers are kept for one run alone: nobody here knows when it changes."""

    can_weigh = False

    def __init__(self, name: str, run: str, environment: Mapping[str, str]) -> None:
        """`name`: http://HOST:PORT, `#MODEL` behind it for another than the server's own. Raises: InvalidInput."""
        from edgellm.sdk.remote import RemoteEdgeLLM  # an HTTP client that other subjects do not need

        url, _, model = name.partition("#")
        self.name = name
        self.identity = _digest("server", url, model, run)
        self._edge = RemoteEdgeLLM(url, environment.get(REMOTE_KEY), model=model or None)

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

    def likelihood(self, messages: Sequence[Message], text: str) -> Likelihood:  # noqa: ARG002  as `Subject`
        """Not there: the API does not render a conversation without answering it."""
        raise InvalidInput(f"The server {self.name!r} does not say how probable texts are.", field="suites")

    def close(self) -> None:
        """Close the connections."""
        self._edge.close()


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
