"""Where a worker's answers go: into streams, futures and watchers of the loading."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from edgellm.engine import wire
from edgellm.engine.outcome import Finished, failed
from edgellm.engine.stream import Inbox, to_error
from edgellm.errors import EngineError
from edgellm.types import Loading, Notice, Prefill

A = TypeVar("A", bound=wire.Answer)


class Opening:
    """The loading of one model: how far it is, and who waits for it."""

    def __init__(self) -> None:
        self.opened: Future[wire.Opened] = Future()
        self._watchers: list[Callable[[float], None]] = []

    def watch(self, on_progress: Callable[[float], None]) -> None:
        """Tell `on_progress` the fraction loaded, from now on; nothing when the model is open."""
        if not self.opened.done():
            self._watchers.append(on_progress)

    def __call__(self, answer: wire.AnyAnswer) -> None:
        match answer:
            case wire.LoadProgress(fraction=fraction):
                for watcher in self._watchers:
                    watcher(fraction)
                return
            case wire.Opened():
                self.opened.set_result(answer)
            case wire.Refused(failed=failure):
                self.opened.set_exception(to_error(failure))
            case _:
                self.opened.set_exception(_unexpected(answer))
        self._watchers.clear()


@dataclass(frozen=True, slots=True)
class Delivery:
    """Turns the answers to one request into its stream's events."""

    inbox: Inbox
    opening: Opening | None
    """The loading that this request had to wait for."""

    @classmethod
    def waiting_for(cls, opening: Opening, inbox: Inbox, model: str) -> Delivery:
        """A delivery that first reports the loading of `model`, when it is not open yet."""
        if opening.opened.done():
            return cls(inbox, None)
        opening.watch(lambda fraction: inbox.put(Loading(model=model, fraction=fraction)))
        return cls(inbox, opening)

    def __call__(self, answer: wire.AnyAnswer) -> None:
        match answer:
            case wire.Piece(delta=delta):
                self.inbox.put(delta)
            case wire.Progress(done_tokens=done, total_tokens=total):
                self.inbox.put(Prefill(done_tokens=done, total_tokens=total))
            case wire.Noticed(text=text):
                self.inbox.put(Notice(text=text))
            case wire.Done(outcome=outcome):
                self.inbox.end(self._with_load_time(outcome))
            case wire.Refused(failed=failure):
                self.inbox.end(failure)
            case _:
                self.inbox.end(failed(_unexpected(answer)))

    def _with_load_time(self, outcome: Finished) -> Finished:
        if self.opening is None:
            return outcome
        return replace(outcome, timings=replace(outcome.timings, load_s=self.opening.opened.result().load_s))


class Reply(Generic[A]):
    """The one answer to an ask that has no stream."""

    def __init__(self, kind: type[A]) -> None:
        self._kind = kind
        self.future: Future[A] = Future()

    def __call__(self, answer: wire.AnyAnswer) -> None:
        if isinstance(answer, self._kind):
            self.future.set_result(answer)
        elif isinstance(answer, wire.Refused):
            self.future.set_exception(to_error(answer.failed))
        else:
            self.future.set_exception(_unexpected(answer))


def _unexpected(answer: wire.AnyAnswer) -> EngineError:
    return EngineError(f"The engine process gave an answer of the wrong kind: {type(answer).__name__}.")
