"""What the server itself puts into the audit log: its start and end, keys that were refused, feedback."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

from edgellm.errors import Fact, StoreError
from edgellm.sdk.serving import LOCAL, Audit
from edgellm.server.log import ServerLog
from edgellm.store.keys import PREFIX_CHARACTERS

STRANGER = "stranger"
"""The actor of a request whose key is not valid."""
QUIET_S = 60.0
"""Refusals of one prefix make one entry in this time."""
MOST_PREFIXES = 32
"""Prefixes that get entries of their own in `QUIET_S`: guesses by the thousand must not fill the disk."""
_OURS = re.compile(r"edge-[A-Za-z0-9_-]{32}")


class Trail:
    """Writes to the audit log. What cannot be written is in the server's log, and stops nothing. Thread-safe."""

    def __init__(self, audit: Audit, log: ServerLog, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` in seconds."""
        self._audit = audit
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._noted: dict[str, float] = {}

    def started(self, url: str, model: str) -> None:
        """The server takes requests."""
        self._add(LOCAL, "server.start", url, model=model)

    def stopped(self, url: str) -> None:
        """The server has ended by itself or by a signal."""
        self._add(LOCAL, "server.stop", url)

    def rated(self, tenant: str, answer_id: str, rating: int, *, is_corrected: bool) -> None:
        """A client said what it thinks of an answer; its words are not repeated."""
        self._add(tenant, "feedback.add", answer_id, rating=rating, corrected=is_corrected)

    def did(self, tenant: str, action: str, target: str, **facts: Fact) -> None:
        """A client added, changed or removed something of its own."""
        self._add(tenant, action, target, **facts)

    def key_refused(self, secret: str, address: str) -> None:
        """A key was shown that is unknown, expired or revoked.

        Of a secret in the form of our keys the prefix is noted, which says which key it was. Of any other nothing is:
        it may be a password, or another service's key.
        """
        prefix = self._to_note(secret[:PREFIX_CHARACTERS] if _OURS.fullmatch(secret) else "")
        if prefix is not None:
            self._add(STRANGER, "key.refuse", prefix, address=address)

    def _to_note(self, prefix: str) -> str | None:
        """The prefix that an entry names, empty for one of many; None when there was an entry a moment ago."""
        now = self._clock()
        with self._lock:
            self._noted = {name: at for name, at in self._noted.items() if now - at < QUIET_S}
            if prefix not in self._noted and len(self._noted) >= MOST_PREFIXES:
                prefix = ""
            if prefix in self._noted:
                return None
            self._noted[prefix] = now
            return prefix

    def _add(self, actor: str, action: str, target: str, **facts: Fact) -> None:
        try:
            self._audit.add(actor, action, target, **facts)
        except StoreError as error:
            self._log.error("audit", error)
