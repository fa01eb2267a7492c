"""Keys are taken in the order in which they were typed, however fast that was."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from textual.events import Key
from textual.message import Message

if TYPE_CHECKING:
    from textual.app import App

PATIENCE_S = 0.5
"""How long a key holds back the next ones whose follower is lost, because what had the focus is gone or busy."""


class Follower(Message, namespace="edgellm"):
    """Goes the way of a key, right behind it: where it arrives, the key was dealt with."""


class KeyOrder:
    """Holds keys back while one that is no character is under way.

    A field takes characters at once, but a key that does something, like Tab, Down or Ctrl+U, first climbs from the
    field to the app, which acts behind all keys that came meanwhile: what is typed after Tab would go into the field
    before it.
    """

    def __init__(self, app: App[None], deal: Callable[[Key], Awaitable[None]]) -> None:
        """`deal`: hands a key to what has the focus."""
        self._app = app
        self._deal = deal
        self._waiting: deque[Key] = deque()
        self._follower: Follower | None = None

    async def take(self, key: Key) -> None:
        """Deal with a key now, or behind those that were typed before it."""
        self._waiting.append(key)
        if self._follower is None:
            await self._go_on()

    async def arrived(self, follower: Follower) -> None:
        """What a key did has been done, focus and all."""
        if follower is self._follower:
            self._follower = None
            await self._go_on()

    async def _go_on(self) -> None:
        while self._waiting and self._follower is None:
            key = self._waiting.popleft()
            taker = self._app.focused or self._app.screen
            if not key.is_printable:
                self._follower = Follower()
            await self._deal(key)
            if self._follower is not None:
                self._send(self._follower, taker.post_message)

    def _send(self, follower: Follower, post: Callable[[Message], bool]) -> None:
        if not post(follower):  # it was closed by the key
            self._app.call_later(self.arrived, follower)
        self._app.set_timer(PATIENCE_S, lambda: self.arrived(follower))
