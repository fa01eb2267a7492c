"""Ends the app in good order when it is told to, or when its terminal is gone."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress

HUNG_UP_EXIT = 128 + signal.SIGHUP
"""Exit code when the terminal is gone."""
GRACE_S = 10.0
"""After this time without a terminal the process ends, whatever it is still doing."""


def end_when_told(end: Callable[[int], None], terminal: int | None) -> None:
    """Call `end` in the running loop with the number of SIGINT, SIGTERM or SIGHUP; `terminal` is watched, a descriptor.

    A signal that whoever started the app wants it to survive, as `nohup` does, stays ignored.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, end, int(number))
    if terminal is not None:
        watch = threading.Thread(target=_watch, args=(loop, end, terminal), name="edgellm-hangup", daemon=True)
        watch.start()


def _watch(loop: asyncio.AbstractEventLoop, end: Callable[[int], None], terminal: int) -> None:
    """Sleep until the terminal is hung up.

    A closed window or a lost connection sends SIGHUP to the first process of the terminal's session only. When that is
    make, sudo or a script, the app would live on and read an end of file for ever, a processor and the model in use.
    """
    poll = select.poll()
    poll.register(terminal, 0)  # no event but the end is asked for
    [(_, event)] = poll.poll()
    if event & select.POLLHUP:  # anything else: this system cannot watch terminals
        with suppress(RuntimeError):  # the loop has ended: so does the process
            loop.call_soon_threadsafe(end, int(signal.SIGHUP))
        time.sleep(GRACE_S)
        os._exit(HUNG_UP_EXIT)
