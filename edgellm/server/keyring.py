"""The keys as a running server looks them up: often, and never more than half a second old."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from edgellm.errors import NotFound, StoreError
from edgellm.sdk.serving import Keys
from edgellm.server.caller import LOCAL, Caller, caller_of, local_admin
from edgellm.store.keys import Limits

FRESH_S = 0.5
"""A key that is revoked ends what it is used for within twice this time."""
MOST_KNOWN = 4_096


class Keyring:
    """Who a secret belongs to. Thread-safe; its methods may wait for the store."""

    def __init__(
        self,
        keys: Keys,
        *,
        is_open: bool,
        token: str | None = None,
        admin_token: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_open`: until a key is made, this machine's user is who calls.

        `token`: the one key there is, kept nowhere.
        `admin_token`: what whoever started the server shows, besides the keys.
        """
        self._keys = keys
        self._is_open = is_open
        self._token = None if token is None else _hash(token)
        self._admin_token = None if admin_token is None else _hash(admin_token)
        self._clock = clock
        self._lock = threading.Lock()
        self._callers: dict[bytes, tuple[float, Caller]] = {}
        self._valid: dict[str, tuple[float, bool]] = {}
        self._limits: dict[str, Limits] = {}
        self._needed = (float("-inf"), True)
        self.local = local_admin()
        """Who calls where no key is needed."""

    @property
    def is_needed(self) -> bool:
        """Whether requests must bring a key: always where others can reach the server, and once there were keys.

        Revoking the last one closes the server: whoever held it must not become the administrator thereby.
        """
        if self._token is not None or not self._is_open:
            return True
        at, needed = self._needed
        if self._clock() - at >= FRESH_S:
            needed = bool(self._keys.list())
            self._needed = (self._clock(), needed)
        return needed

    def find(self, secret: str) -> Caller | None:
        """Whose secret this is; None when it is unknown, expired or revoked. Raises: StoreError."""
        hashed = _hash(secret)
        if self._token is not None:
            return self.local if hmac.compare_digest(hashed, self._token) else None
        if self._admin_token is not None and hmac.compare_digest(hashed, self._admin_token):
            return self.local
        with self._lock:
            at, known = self._callers.get(hashed, (float("-inf"), None))
        if known is not None and self._clock() - at < FRESH_S:
            return known
        key = self._keys.find(secret)
        if key is None:
            return None
        with suppress(StoreError):  # only a note of when it was used
            self._keys.used(key.id)
        caller = caller_of(key)
        with self._lock:
            if len(self._callers) >= MOST_KNOWN:
                self._callers.clear()
            self._callers[hashed] = (self._clock(), caller)
            self._limits[caller.tenant] = caller.limits
        return caller

    def is_valid(self, caller: Caller) -> bool:
        """Whether a caller's key still holds. Raises: StoreError."""
        if caller.key_id is None:
            return True
        with self._lock:
            at, valid = self._valid.get(caller.key_id, (float("-inf"), False))
        if self._clock() - at < FRESH_S:
            return valid
        try:
            valid = self._keys.get(caller.key_id).state(time.time()) == "active"
        except NotFound:
            valid = False
        with self._lock:
            self._valid[caller.key_id] = (self._clock(), valid)
        return valid

    def limits(self, tenant: str) -> Limits:
        """The limits of a tenant that was found before."""
        return Limits() if tenant == LOCAL else self._limits[tenant]


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
