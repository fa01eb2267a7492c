"""Ctrl+C as a wish: the first one stops the answer, the second one the command."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether Ctrl+C was pressed while the block ran."""

    happened = False


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[Interrupt]:
    """While the block runs, the first Ctrl+C calls `stop` and the block goes on; the second raises KeyboardInterrupt.

    `stop` runs in a thread: a signal handler must not wait for a lock that the interrupted code holds.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield interrupt
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        if interrupt.happened:
            raise KeyboardInterrupt
        interrupt.happened = True
        threading.Thread(target=stop, name="edgellm-stop", daemon=True).start()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
