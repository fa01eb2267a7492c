"""Signals as a wish: the first one stops what is going on and keeps what there is, the second one the command."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from edgellm.cli.diagnostics import Code, Stopped

CODES = {
    signal.SIGINT: Code.INTERRUPTED,
    signal.SIGTERM: Code.TERMINATED,
    signal.SIGHUP: Code.HUNG_UP,
}


class Interrupt:
    """Which signal came while the block ran."""

    code = Code.DONE
    """How the command ends because of it; DONE while none came."""


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[Interrupt]:
    """While the block runs, the first signal of `CODES` calls `stop` and the block goes on; the second ends it.

    `stop` runs in a thread: a signal handler must not wait for a lock that the interrupted code holds.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield interrupt
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        code = CODES[signal.Signals(number)]
        if interrupt.code is not Code.DONE:
            raise end_by(code)
        interrupt.code = code
        threading.Thread(target=stop, name="edgellm-stop", daemon=True).start()

    before = {number: signal.signal(number, handle) for number in CODES if not _is_unheard(number)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ending() -> Iterator[None]:
    """While the block runs, SIGTERM and SIGHUP raise Stopped in it, as Ctrl+C raises KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        raise Stopped(CODES[signal.Signals(number)])

    ends = [number for number in CODES if number is not signal.SIGINT and not _is_unheard(number)]
    before = {number: signal.signal(number, handle) for number in ends}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_by(code: Code) -> BaseException:
    """What ends the command with this code."""
    return KeyboardInterrupt() if code is Code.INTERRUPTED else Stopped(code)


def _is_unheard(number: signal.Signals) -> bool:
    """Whether who started this process wants it to survive the signal, as `nohup` does; Ctrl+C is always heard."""
    return number is not signal.SIGINT and signal.getsignal(number) is signal.SIG_IGN
