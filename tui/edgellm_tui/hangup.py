"""Ends the app when its terminal is gone, also where nobody tells it."""

from __future__ import annotations

import os
import select
import signal
import threading

HUNG_UP_EXIT = 128 + signal.SIGHUP
"""Exit code where SIGHUP is ignored; otherwise the signal ends the process."""


def end_with_terminal(descriptor: int) -> None:
    """Watch the terminal behind `descriptor`, in a thread that sleeps until it is hung up.

    A closed window or a lost connection sends SIGHUP to the first process of the terminal's session only. When that is
    make, sudo or a script, the app would live on and read an end of file for ever, a processor and the model in use.
    """
    threading.Thread(target=_watch, args=(descriptor,), name="edgellm-hangup", daemon=True).start()


def _watch(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, 0)  # no event but the end is asked for
    [(_, event)] = poll.poll()
    if event & select.POLLHUP:  # anything else: this system cannot watch terminals
        os.kill(os.getpid(), signal.SIGHUP)
        os._exit(HUNG_UP_EXIT)
