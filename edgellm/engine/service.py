"""What the worker does with each ask, in the thread that owns the model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from edgellm.engine import outcome, wire
from edgellm.engine.backend import Backend
from edgellm.engine.chat import ChatFormat
from edgellm.engine.config import EngineConfig
from edgellm.engine.grammar import check_constraint
from edgellm.engine.loop import Engine
from edgellm.engine.request import Request
from edgellm.engine.template import Renderer
from edgellm.engine.tools import ToolUse, call_schema, tool_use
from edgellm.engine.training_rows import training_rows
from edgellm.errors import EdgeLLMError, EngineError, InvalidInput, TemplateRejected
from edgellm.sampling import check_sampling
from edgellm.types import Constraint, Sampling, Token

Send = Callable[[wire.AnyAnswer], None]


class Service:
    """Serves asks with one open model. One thread uses it."""

    def __init__(self, backend: Backend, config: EngineConfig, renderer: Renderer, send: Send) -> None:
        self._backend = backend
        self._send = send
        self._format: ChatFormat | None = None
        self._engine: Engine | None = None
        if config.mode == "generate":
            self._engine = Engine(backend, config, self._report, time.monotonic)
            self._format = ChatFormat(backend, renderer)

    def handle(self, ask: wire.AnyAsk) -> None:
        """Answer an ask, or hand it to the engine, which will."""
        try:
            self._dispatch(ask)
        except EngineError:
            raise  # the backend is unusable; the process ends
        except EdgeLLMError as error:
            self._send(wire.Refused(id=ask.id, failed=outcome.failed(error)))

    def step(self) -> bool:
        """Compute one step. False: there is nothing to do before the next ask or deadline."""
        return self._engine is not None and self._engine.step()

    def idle_s(self) -> float | None:
        """How long nothing will happen by itself; None: for ever."""
        deadline = self._engine.next_deadline if self._engine is not None else None
        return None if deadline is None else max(0.001, deadline - time.monotonic())

    def close(self, *, save: bool) -> None:
        """End open requests as failed; keep parked conversations when asked to."""
        if self._engine is not None:
            if save:
                self._engine.save_conversations()
            self._engine.close()
        self._backend.close()

    def _dispatch(self, ask: wire.AnyAsk) -> None:
        match ask:
            case wire.Chat():
                self._chat(ask)
            case wire.Complete():
                self._complete(ask)
            case wire.Score():
                self._score(ask)
            case wire.Count():
                self._count(ask)
            case wire.Cancel():
                if self._engine is not None:
                    self._engine.cancel(ask.id)
            case wire.Embed():
                self._embed(ask)
            case wire.EmbedTokens():
                self._require_embedder()
                self._send(wire.Vectors(id=ask.id, vectors=self._backend.embed(ask.inputs)))
            case wire.Tokenize():
                self._tokenize(ask)
            case wire.Detokenize():
                self._detokenize(ask)
            case wire.Rows():
                self._rows(ask)
            case wire.Stats():
                self._send(wire.Metrics(id=ask.id, metrics=self._generator().metrics()))
            case wire.SaveConversations():
                self._generator().save_conversations()
                self._send(wire.Saved(id=ask.id))
            case wire.Forget():
                self._generator().forget_conversation(ask.conversation)
                self._send(wire.Saved(id=ask.id))
            case wire.Open():
                raise InvalidInput("A worker opens one model, once.")

    def _chat(self, ask: wire.Chat) -> None:
        engine, chat, options = self._generator(), self._chat_format(), ask.options
        _check(options)
        use = tool_use(options.tools, options.tool_choice)
        constraint = self._constraint(options, use)
        may_think = constraint is None  # a constraint holds from the first token on
        prompt = chat.prompt(
            ask.messages, max_tokens=options.sampling.max_tokens, keep=options.keep, may_think=may_think, use=use
        )
        calling = chat.calling(use)
        for notice in prompt.notices:
            self._send(wire.Noticed(id=ask.id, text=notice))
        engine.submit(
            replace(
                _request(ask.id, prompt.tokens, options),
                constraint=constraint,
                stop=(*chat.stop, *(calling.syntax.stop if calling is not None else ())),
                reasoning_open=prompt.reasoning_open,
                reasoning_tags=chat.reasoning_tags if may_think else (),
                reasoning_tokens=chat.reasoning_tokens,
                calling=calling,
            )
        )

    def _complete(self, ask: wire.Complete) -> None:
        engine = self._generator()
        _check(ask.options)
        prompt = ask.prompt
        if isinstance(prompt, str):
            prompt = tuple(self._backend.tokenize(prompt, parse_special=True, add_bos=True))
        self._check_tokens(prompt)
        engine.submit(_request(ask.id, prompt, ask.options))

    def _score(self, ask: wire.Score) -> None:
        engine = self._generator()
        _check(ask.options)
        self._check_tokens(ask.prompt)
        alternatives = ask.options.sampling.logprobs or 0
        request = _request(ask.id, ask.prompt, ask.options)
        engine.submit(replace(request, sampling=Sampling(temperature=0.0), constraint=None, scores=alternatives))

    def _count(self, ask: wire.Count) -> None:
        self._generator()
        use = tool_use(ask.tools, "auto")
        self._send(wire.Counted(id=ask.id, tokens=self._chat_format().count(ask.messages, use.tools)))

    def _constraint(self, options: wire.Options, use: ToolUse) -> Constraint | None:
        """What the answer must be valid under: a call, where one is asked for. Raises: InvalidInput, InvalidSchema."""
        if use.tools and options.constraint is not None:
            raise InvalidInput(
                "An answer cannot call tools and keep to a format of its own.",
                hint="Set tool_choice to 'none', or leave the format out.",
                field="tools",
            )
        if not use.wanted:
            return options.constraint
        return Constraint(kind="json_schema", text=call_schema(use.wanted, self._chat_format().call_syntax.arguments))

    def _check_tokens(self, tokens: Sequence[int]) -> None:
        """Raises: InvalidInput for ids that the model does not have; one would break the step of all requests."""
        if not tokens:
            raise InvalidInput("The prompt is empty.", field="prompt")
        size = self._backend.info.vocabulary_size
        wrong = next((token for token in tokens if not 0 <= token < size), None)
        if wrong is not None:
            raise InvalidInput(
                f"Token {wrong} does not exist: the vocabulary has ids 0 to {size - 1}.", field="prompt", value=wrong
            )

    def _require_embedder(self) -> None:
        if self._engine is not None:
            raise InvalidInput("The model is open for generation.", hint="Open it in mode `embed`.", field="mode")

    def _embed(self, ask: wire.Embed) -> None:
        self._require_embedder()
        for at, text in enumerate(ask.texts):
            if not text.strip():
                raise InvalidInput(f"Text {at} is empty; it has no embedding.", field="texts", index=at)
        inputs = [self._backend.tokenize(text, parse_special=False, add_bos=True) for text in ask.texts]
        self._send(wire.Vectors(id=ask.id, vectors=self._backend.embed(inputs)))

    def _tokenize(self, ask: wire.Tokenize) -> None:
        tokens = self._backend.tokenize(ask.text, parse_special=ask.parse_special, add_bos=ask.add_bos)
        texts = [self._backend.piece(token).decode("utf-8", "replace") for token in tokens]
        self._send(wire.Tokens(id=ask.id, tokens=[Token(*pair) for pair in zip(tokens, texts, strict=True)]))

    def _detokenize(self, ask: wire.Detokenize) -> None:
        if ask.tokens:
            self._check_tokens(ask.tokens)
        text = b"".join(self._backend.piece(token) for token in ask.tokens).decode("utf-8", "replace")
        self._send(wire.Text(id=ask.id, text=text))

    def _rows(self, ask: wire.Rows) -> None:
        chat = self._chat_format()
        rows: list[list[wire.TrainingRow] | str] = []
        for messages in ask.conversations:
            try:
                rows.append(training_rows(chat, messages))
            except (InvalidInput, TemplateRejected) as error:  # a conversation's own fault; the others are made
                rows.append(error.message)
        self._send(wire.RowsMade(id=ask.id, rows=rows))

    def _generator(self) -> Engine:
        if self._engine is None:
            raise InvalidInput("The model is open for embeddings.", hint="Open it in mode `generate`.", field="mode")
        return self._engine

    def _chat_format(self) -> ChatFormat:
        self._generator()
        assert self._format is not None  # there is one where there is an engine
        return self._format

    def _report(self, event: outcome.EngineEvent) -> None:
        match event:
            case outcome.Piece():
                self._send(wire.Piece(id=event.request_id, delta=event.delta))
            case outcome.Progress():
                self._send(
                    wire.Progress(id=event.request_id, done_tokens=event.done_tokens, total_tokens=event.total_tokens)
                )
            case outcome.Ended(outcome=outcome.Finished() as finished):
                self._send(wire.Done(id=event.request_id, outcome=finished))
            case outcome.Ended(outcome=outcome.Failed() as failure):
                self._send(wire.Refused(id=event.request_id, failed=failure))


def _check(options: wire.Options) -> None:
    """Raises: InvalidInput, InvalidSchema for what must not reach the sampler."""
    check_sampling(options.sampling)
    if options.constraint is not None:
        check_constraint(options.constraint, trusted=options.trusted)
    deadline_s = options.deadline_s
    if deadline_s is not None and not 0 < deadline_s < float("inf"):
        raise InvalidInput(f"deadline_s is {deadline_s!r}; it must be a number above 0.", field="deadline_s")


def _request(ask_id: int, tokens: tuple[int, ...], options: wire.Options) -> Request:
    return Request(
        id=ask_id,
        prompt=tokens,
        sampling=options.sampling,
        constraint=options.constraint,
        tenant=options.tenant,
        adapter=options.adapter,
        deadline_at=None if options.deadline_s is None else time.monotonic() + options.deadline_s,
        conversation=options.conversation,
    )
