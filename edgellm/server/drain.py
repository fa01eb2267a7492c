"""How a server stops: what runs may end by itself for a while, then it is ended."""

from __future__ import annotations

import time
from collections.abc import Callable

from edgellm.server.errors import ServerStopping

PATIENCE_S = 7.0
"""Open answers have this long from the first signal on; with what follows, the server is gone within ten seconds."""


class Drain:
    """Whether the server is stopping. One instance a server; any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: float | None = None

    def begin(self) -> None:
        """Take nothing new from now on."""
        if self._began is None:
            self._began = self._clock()

    @property
    def has_begun(self) -> bool:
        """Whether nothing new is taken."""
        return self._began is not None

    def check_new(self) -> None:
        """Raises: ServerStopping once nothing new is taken."""
        if self.has_begun:
            raise ServerStopping("The server is shutting down.", hint="Try again in a moment.")

    def check_open(self) -> None:
        """Raises: ServerStopping once what runs is to end."""
        if self._began is not None and self._clock() - self._began >= PATIENCE_S:
            raise ServerStopping("The server shut down before this was complete.", hint="Ask again.")
