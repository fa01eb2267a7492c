"""How long a server works on one request."""

from __future__ import annotations

from edgellm.errors import DeadlineExceeded
from edgellm.server.service import Service


class Deadline:
    """Begins when it is made."""

    def __init__(self, service: Service, unfinished: str, hint: str) -> None:
        """`unfinished`: what is said of a request that is late, `The answer was not complete`; `hint`: what helps."""
        self._seconds = service.options.deadline_s
        self._clock = service.clock
        self._at = service.clock() + self._seconds
        self._unfinished, self._hint = unfinished, hint

    def left_s(self) -> float:
        """Seconds until then. Raises: DeadlineExceeded."""
        left_s = self._at - self._clock()
        if left_s <= 0:
            raise self.late()
        return left_s

    def late(self) -> DeadlineExceeded:
        """The error."""
        message = f"{self._unfinished} after {self._seconds:g} s, the longest that this server works on one."
        return DeadlineExceeded(message, hint=self._hint, deadline_s=self._seconds)
