"""RemoteEdgeLLM: the methods of EdgeLLM, answered by a server."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, Unpack, overload

import httpx2

from edgellm.errors import EdgeLLMError, InvalidInput, ModelNotFound
from edgellm.sampling import check_sampling
from edgellm.sdk.options import ChatOptions, CompleteOptions, check_names
from edgellm.sdk.remote.bodies import answer_body, chat_body, complete_body, count_body
from edgellm.sdk.remote.chunks import read_answer, traces
from edgellm.sdk.remote.documents import Form, RemoteDocuments
from edgellm.sdk.remote.reading import Reading
from edgellm.sdk.remote.record import RemoteRecord
from edgellm.sdk.remote.refusals import refused, unreachable
from edgellm.sdk.scoring import AnswerTokens
from edgellm.sdk.stream import ReplyStream, whole
from edgellm.types import Message, Reply, Sampling, Scored, Token, Tool

EMBEDDED = 256
"""Texts in one request."""
CALL_S = 120.0
"""Longest wait for an answer that is not streamed."""


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model that the server offers."""

    name: str


class RemoteEdgeLLM:
    """Chat, complete, embed and tokenize with the models of an EdgeLLM server. Thread-safe; close it after use.

    Sessions, models and training are the server's own matter: who may change them works there. A conversation that is
    too long is refused (ContextOverflow), where EdgeLLM in this program leaves the oldest turns out.

    Args:
        url: the server's address: http://127.0.0.1:8000.
        key: what `edgellm keys create` printed; None where a server on this machine asks for none.
        model: name of the model used when a call names none; None takes the one that the server was started with.
    """

    def __init__(self, url: str, key: str | None = None, *, model: str | None = None) -> None:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        try:
            # No proxy of the environment: what is asked goes to this address and nowhere else.
            self._http = httpx2.Client(base_url=url, headers=headers, timeout=CALL_S, trust_env=False)
        except (httpx2.InvalidURL, ValueError) as error:
            raise InvalidInput(f"{url!r} is no address of a server: {error}.", field="url") from error
        self.url = url
        self._model = model
        self._lock = threading.Lock()

    @property
    def model(self) -> str:
        """The model used when a call names none. Raises: as `models`."""
        with self._lock:
            if self._model is None:
                names = self.models()
                if not names:
                    raise ModelNotFound("The server offers this key no model.", url=self.url)
                self._model = names[0].name
            return self._model

    def documents(self, name: str) -> RemoteDocuments:
        """The server's collection with this name."""
        return RemoteDocuments(name, self._call, self.chat)

    def models(self) -> list[RemoteModel]:
        """What the key may name, the server's own model first."""
        return [RemoteModel(each["id"]) for each in self._call("GET", "/v1/models")["data"]]

    @overload
    def chat(
        self, prompt: str | Sequence[Message], *, stream: Literal[False] = ..., **options: Unpack[ChatOptions]
    ) -> Reply: ...

    @overload
    def chat(
        self, prompt: str | Sequence[Message], *, stream: Literal[True], **options: Unpack[ChatOptions]
    ) -> ReplyStream: ...

    def chat(
        self, prompt: str | Sequence[Message], *, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> Reply | ReplyStream:
        """As `EdgeLLM.chat`; `Reply.message_id` names the answer for `rate`.

        Raises: InvalidInput at once; what the server refuses, and EngineError when it does not answer, from the
        iteration when streaming.
        """
        check_names(options, ChatOptions)
        messages = (Message(role="user", content=prompt),) if isinstance(prompt, str) else tuple(prompt)
        if not messages:
            raise InvalidInput("The conversation is empty: give at least one message.", field="messages")
        model = options.get("model") or self.model
        return self._answer("/v1/chat/completions", model, chat_body(model, messages, options), options, stream)

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
        """As `EdgeLLM.complete`."""
        check_names(options, CompleteOptions)
        model = options.get("model") or self.model
        return self._answer("/v1/completions", model, complete_body(model, prompt, options), options, stream)

    def embed(self, texts: Sequence[str], *, model: str | None = None) -> list[list[float]]:
        """One unit-length vector per text."""
        name, vectors = model or self.model, list[list[float]]()
        for at in range(0, len(texts), EMBEDDED):
            body = {"model": name, "input": list(texts[at : at + EMBEDDED])}
            vectors += [each["embedding"] for each in self._call("POST", "/v1/embeddings", body)["data"]]
        return vectors

    def tokenize(self, text: str, *, model: str | None = None, special: bool = False, bos: bool = False) -> list[Token]:
        """As `EdgeLLM.tokenize`."""
        body = {"model": model or self.model, "prompt": text, "parse_special": special, "return_token_strs": True}
        body["add_special_tokens"] = bos
        found = self._call("POST", "/tokenize", body)
        return [Token(*pair) for pair in zip(found["tokens"], found["token_strs"], strict=True)]

    def answer_tokens(self, messages: Sequence[Message], *, model: str | None = None) -> AnswerTokens:
        """As `EdgeLLM.answer_tokens`."""
        found = self._call("POST", "/tokenize", answer_body(model or self.model, messages))
        try:
            return read_answer(found)
        except ValueError as error:
            message = f"The server at {self.url} does not say where an answer stands in a conversation."
            raise InvalidInput(message, hint="It needs the EdgeLLM of this version.", field="messages") from error

    def score(self, prompt: str | Sequence[int], *, model: str | None = None, alternatives: int = 0) -> Scored:
        """As `EdgeLLM.score`; the server shows tokens as text, so that their ids are unknown (-1)."""
        body = complete_body(
            model or self.model, prompt, {"sampling": Sampling(logprobs=alternatives, max_tokens=None)}
        )
        body |= {"echo": True, "max_tokens": 0, "stream": False}
        del body["stream_options"]
        first, *others = traces(self._call("POST", "/v1/completions", body)["choices"][0]["logprobs"])
        return Scored(first=Token(first.token, first.text), tokens=tuple(others))

    def detokenize(self, ids: Sequence[int], *, model: str | None = None) -> str:
        """The text of tokens."""
        body = {"model": model or self.model, "tokens": list(ids)}
        return str(self._call("POST", "/detokenize", body)["prompt"])

    def count(self, messages: Sequence[Message], *, model: str | None = None, tools: Sequence[Tool] = ()) -> int:
        """As `EdgeLLM.count`."""
        return int(
            self._call("POST", "/v1/messages/count_tokens", count_body(model or self.model, messages, tools))[
                "input_tokens"
            ]
        )

    def rerank(self, question: str, texts: Sequence[str]) -> list[float]:
        """As `EdgeLLM.rerank`. Raises: MissingExtra where the server has no reranker."""
        found = self._call("POST", "/v1/rerank", {"query": question, "documents": list(texts)})["results"]
        return [each["relevance_score"] for each in sorted(found, key=lambda each: int(each["index"]))]

    def rate(
        self,
        message_id: str,
        rating: Literal[1, -1] | None = None,
        correction: str | None = None,
        *,
        replaces: str | None = None,
    ) -> None:
        """Say what was good or bad about an answer, and what it should have been.

        `replaces`: the `message_id` of an earlier answer to the same messages that this one was asked for instead of.
        Raises: NotFound for an answer that this key did not get, or of which the server keeps nothing.
        """
        body = {"response_id": message_id, "rating": {1: "up", -1: "down", None: None}[rating]}
        self._call("POST", "/v1/feedback", {**body, "correction": correction, "replaces": replaces})

    def close(self) -> None:
        """Close the connections. Safe to call twice."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _answer(
        self, path: str, model: str, body: dict[str, Any], options: Mapping[str, Any], stream: bool
    ) -> Reply | ReplyStream:
        if options.get("sampling") is not None:
            check_sampling(options["sampling"])
        reading = Reading(self._http, path, body, options.get("deadline_s"))
        running = ReplyStream(reading.stream, model, RemoteRecord(reading.chunks), _nothing)
        return running if stream else whole(running)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None, form: Form | None = None) -> Any:
        """The JSON of an answer in one piece. Raises: what the server refuses; EngineError when it does not answer."""
        try:
            answer = self._http.request(method, path, json=body, files=form)
            found = answer.json()
        except httpx2.HTTPError as error:
            raise unreachable(self.url, error) from error
        except ValueError:
            found = None
        if answer.status_code not in (200, 202) or found is None:
            raise refused(answer.status_code, found, answer.headers.get("retry-after"))
        return found


def _nothing(_error: EdgeLLMError) -> None:
    """No model of this program is affected."""
