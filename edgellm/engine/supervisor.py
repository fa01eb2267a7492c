"""A loaded model as a face sees it: requests in, streams out, restarted when its process dies."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar, Unpack

import psutil

from edgellm.engine import wire
from edgellm.engine.backend import BackendInfo
from edgellm.engine.config import EngineConfig
from edgellm.engine.delivery import Delivery, Opening, Reply
from edgellm.engine.frames import Frames, WireError, pack
from edgellm.engine.link import Death, Link
from edgellm.engine.metrics import EngineMetrics
from edgellm.engine.outcome import failed
from edgellm.engine.stream import Inbox, Stream
from edgellm.engine.wire import OptionFields, Options, TrainingRow
from edgellm.engine.worker_log import WorkerLog
from edgellm.errors import EdgeLLMError, EngineError, InvalidInput, ModelLoadFailed, WorkerDied
from edgellm.types import Message, Notice, Token, Tool

BACKOFF_S = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Pause before a restart, by the number of deaths within `DEATH_WINDOW_S`."""
DEATH_WINDOW_S = 60.0
"""As many deaths as `BACKOFF_S` has entries within this time: requests are refused until it has passed."""
EMBED_BATCH = 64
ROWS_BATCH = 32
"""Texts or conversations sent at a time, so that other asks can go between."""

A = TypeVar("A", bound=wire.Answer)
MakeAsk = Callable[[int], wire.AnyAsk]


class Worker:
    """One model in its own process. Every method may be called from any thread.

    A request that is running when the process dies ends with WorkerDied and is not replayed; the next request starts a
    new process, and its stream says so.
    """

    def __init__(self, config: EngineConfig, *, log_dir: Path | None = None) -> None:
        """Begin to open the model and return at once; requests wait for it and report `Loading`."""
        self.config = config
        self._log_dir = log_dir
        self._ids = itertools.count(wire.OPEN_ID + 1)
        self._lock = threading.Lock()
        self._deaths: deque[float] = deque(maxlen=len(BACKOFF_S))
        self._news = ""
        self._sent = 0
        self._is_stopped = False
        self._link, self._opening = self._start_link(0.0)

    @classmethod
    def start(
        cls,
        config: EngineConfig,
        *,
        log_dir: Path | None,
        ready_timeout_s: float = 120.0,
        on_progress: Callable[[float], None] | None = None,
    ) -> Worker:
        """A worker whose model is open; `on_progress` is told the fraction loaded, by another thread.

        Raises: ModelLoadFailed, WorkerDied, or what else opening the model ended with.
        """
        worker = cls(config, log_dir=log_dir)
        if on_progress is not None:
            worker._opening.watch(on_progress)
        try:
            worker._opening.opened.result(ready_timeout_s)
        except TimeoutError as error:
            worker.stop(save=False)
            raise ModelLoadFailed(
                f"{config.model_path!r} was not open after {ready_timeout_s:g} s.", path=config.model_path
            ) from error
        except BaseException:  # Ctrl+C while the model loads included: nobody else could stop the process
            worker.stop(save=False)
            raise
        return worker

    @property
    def info(self) -> BackendInfo:
        """Facts about the open model; waits while it is being opened."""
        return self._opening.opened.result().info

    @property
    def load_s(self) -> float:
        """How long opening the model took."""
        return self._opening.opened.result().load_s

    @property
    def pid(self) -> int:
        """The process id; 0 while there is no process."""
        process, death = self._link.process, self._link.death
        return process.pid if process is not None and death is None else 0

    @property
    def open_requests(self) -> int:
        """How many requests are waiting or running."""
        return self._link.open_asks

    @property
    def started_requests(self) -> int:
        """How many requests were ever sent."""
        return self._sent

    def memory_bytes(self) -> int:
        """Resident memory of the process, model file included; 0 when there is none."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss) if self.pid else 0
        except psutil.NoSuchProcess:
            return 0

    def chat(self, messages: Sequence[Message], **options: Unpack[OptionFields]) -> Stream:
        """Answer a conversation."""
        return self._stream(lambda ask_id: wire.Chat(id=ask_id, messages=tuple(messages), options=Options(**options)))

    def complete(self, prompt: str | Sequence[int], **options: Unpack[OptionFields]) -> Stream:
        """Continue a text, or tokens as they are."""
        whole = prompt if isinstance(prompt, str) else tuple(prompt)
        return self._stream(lambda ask_id: wire.Complete(id=ask_id, prompt=whole, options=Options(**options)))

    def score(self, tokens: Sequence[int], **options: Unpack[OptionFields]) -> Stream:
        """Say how probable tokens are: traces of all but the first, in order; `sampling.logprobs` alternatives each."""
        prompt = tuple(tokens)
        return self._stream(lambda ask_id: wire.Score(id=ask_id, prompt=prompt, options=Options(**options)))

    def count(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> int:
        """How many tokens a conversation has as the model reads it."""
        return self._ask(
            lambda ask_id: wire.Count(id=ask_id, messages=tuple(messages), tools=tuple(tools)), wire.Counted
        ).tokens

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One unit-length vector a text; the model must be open in mode `embed`. Raises: InvalidInput, WorkerDied."""
        batches = [tuple(texts[at : at + EMBED_BATCH]) for at in range(0, len(texts), EMBED_BATCH)]
        return [vector for batch in batches for vector in self._embed_batch(batch)]

    def _embed_batch(self, texts: tuple[str, ...]) -> list[list[float]]:
        return self._ask(lambda ask_id: wire.Embed(id=ask_id, texts=texts), wire.Vectors).vectors

    def embed_tokens(self, inputs: Sequence[Sequence[int]]) -> list[list[float]]:
        """Like `embed`, for texts that are token ids already, with what the model expects around a text."""
        batches = [inputs[at : at + EMBED_BATCH] for at in range(0, len(inputs), EMBED_BATCH)]
        return [vector for batch in batches for vector in self._embed_ids(tuple(tuple(each) for each in batch))]

    def _embed_ids(self, inputs: tuple[tuple[int, ...], ...]) -> list[list[float]]:
        return self._ask(lambda ask_id: wire.EmbedTokens(id=ask_id, inputs=inputs), wire.Vectors).vectors

    def tokenize(self, text: str, *, parse_special: bool = False, add_bos: bool = False) -> list[Token]:
        """The tokens of a text, as the model reads it."""
        return self._ask(
            lambda ask_id: wire.Tokenize(id=ask_id, text=text, parse_special=parse_special, add_bos=add_bos),
            wire.Tokens,
        ).tokens

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of tokens; control tokens have none."""
        return self._ask(lambda ask_id: wire.Detokenize(id=ask_id, tokens=tuple(tokens)), wire.Text).text

    def training_rows(self, conversations: Sequence[Sequence[Message]]) -> list[list[TrainingRow] | str]:
        """For each conversation its rows to learn from, or why there are none."""
        batches = [conversations[at : at + ROWS_BATCH] for at in range(0, len(conversations), ROWS_BATCH)]
        return [rows for batch in batches for rows in self._rows_batch(tuple(tuple(each) for each in batch))]

    def _rows_batch(self, batch: tuple[tuple[Message, ...], ...]) -> list[list[TrainingRow] | str]:
        return self._ask(lambda ask_id: wire.Rows(id=ask_id, conversations=batch), wire.RowsMade).rows

    def stats(self) -> EngineMetrics:
        """What the engine measured since it started."""
        return self._ask(lambda ask_id: wire.Stats(id=ask_id), wire.Metrics).metrics

    def save_conversations(self) -> None:
        """Write parked conversations to disk; returns when they are there."""
        self._ask(lambda ask_id: wire.SaveConversations(id=ask_id), wire.Saved)

    def forget_conversation(self, conversation: str) -> None:
        """Remove what the worker keeps of a conversation, in memory and on disk."""
        self._ask(lambda ask_id: wire.Forget(id=ask_id, conversation=conversation), wire.Saved)

    def stop(self, *, save: bool = True) -> None:
        """End the process; open requests fail, later ones are refused. Repeating it does nothing."""
        with self._lock:
            self._is_stopped = True
            link = self._link
        if not self._opening.opened.done():
            link.kill()  # nothing to save yet
        if link.death is None:
            link.close(pack(wire.Shutdown(id=next(self._ids), save=save)))

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _stream(self, make_ask: MakeAsk) -> Stream:
        """Every refusal arrives through the stream, so that each request has exactly one outcome in one place."""
        inbox = Inbox()
        ask_id = next(self._ids)
        cancel: Callable[[], None] = _nothing
        try:
            frame = _frame(make_ask(ask_id))
            with self._lock:
                link = self._living_link()
                delivery = Delivery.waiting_for(self._opening, inbox, self._model_name)
                news, self._news = self._news, ""
            if news:
                inbox.put(Notice(text=news))
            link.send(ask_id, frame, delivery)
            cancel = partial(link.tell, pack(wire.Cancel(id=ask_id)))
        except EdgeLLMError as error:
            inbox.end(failed(error))
        return Stream(inbox, cancel)

    def _ask(self, make_ask: MakeAsk, kind: type[A]) -> A:
        ask_id = next(self._ids)
        reply = Reply(kind)
        frame = _frame(make_ask(ask_id))
        with self._lock:
            link = self._living_link()
        link.send(ask_id, frame, reply)
        return reply.future.result()

    @property
    def _model_name(self) -> str:
        return Path(self.config.model_path).stem

    def _living_link(self) -> Link:
        """The link, replaced when its process is dead. Raises: WorkerDied when it died too often, EngineError."""
        if self._is_stopped:
            raise EngineError(f"The model {self._model_name!r} was unloaded.", hint="Load it again.")
        self._sent += 1
        death = self._link.death
        if death is None:
            return self._link
        now = time.monotonic()
        recent = [at for at in self._deaths if now - at < DEATH_WINDOW_S]
        if len(recent) >= len(BACKOFF_S):
            raise _died_too_often(death, wait_s=recent[0] + DEATH_WINDOW_S - now)
        if not death.was_orderly:
            self._news = f"{death.failure.message} It was started again."
        pause_s = BACKOFF_S[len(recent) - 1] if recent else 0.0
        self._link, self._opening = self._start_link(pause_s)
        return self._link

    def _start_link(self, pause_s: float) -> tuple[Link, Opening]:
        try:
            log = WorkerLog(self._log_dir, self.config.model_path)
        except OSError as error:
            raise EngineError(f"The engine process has no place for its log: {error}.") from error
        link = Link(log, delay_s=pause_s, on_death=self._note_death)
        opening = Opening()
        link.send(wire.OPEN_ID, pack(wire.Open(id=wire.OPEN_ID, config=self.config)), opening)
        return link, opening

    def _note_death(self, death: Death) -> None:
        if not death.was_orderly:
            self._deaths.append(time.monotonic())


def _nothing() -> None:
    """What cancelling a request does that was never sent."""


def _frame(ask: wire.AnyAsk) -> bytes:
    """The ask as a frame that the worker will accept: what it could not read must not reach it, it would end there."""
    try:
        frame = pack(ask)
        list(Frames[wire.AnyAsk](wire.AnyAsk).feed(frame))
    except (UnicodeEncodeError, OverflowError, WireError, TypeError) as error:
        raise InvalidInput(f"The request cannot be sent to the engine: {error}") from error
    return frame


def _died_too_often(death: Death, wait_s: float) -> WorkerDied:
    return WorkerDied(
        f"The engine process died {len(BACKOFF_S)} times within {DEATH_WINDOW_S:g} s; {death.failure.message}",
        hint=f"It is tried again in {wait_s:.0f} s.",
        **death.failure.facts,
    )
