"""A streamed answer, read by a thread of its own into a stream like the engine's."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx2

from edgellm.engine.outcome import failed
from edgellm.engine.stream import Inbox, Stream
from edgellm.errors import EdgeLLMError, EngineError
from edgellm.sdk.remote.chunks import Chunks, data_of
from edgellm.sdk.remote.refusals import refused, unreachable
from edgellm.types import FinishReason

SILENCE_S = 60.0
"""A server that works says so every few seconds; after this silence it is gone."""


class Reading:
    """One request. `stream` is its answer; `chunks` knows what a stream has no place for."""

    def __init__(self, http: httpx2.Client, path: str, body: dict[str, Any], deadline_s: float | None) -> None:
        """Send it, without waiting for anything."""
        self.chunks = Chunks()
        self._http, self._path, self._body = http, path, body
        self._ends_at = None if deadline_s is None else time.monotonic() + deadline_s
        self._ended_by: FinishReason | None = None
        self._socket: socket.socket | None = None
        inbox = Inbox()
        self.stream = Stream(inbox, self._cancel)
        threading.Thread(target=self._run, args=(inbox,), name="edgellm-remote", daemon=True).start()

    def _cancel(self) -> None:
        """End the reading at once: the server notices that nobody listens, and stops."""
        self._ended_by = self._ended_by or FinishReason.CANCELLED
        connection = self._socket
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _run(self, inbox: Inbox) -> None:
        """Put every event into the inbox, and the end. A stream that nobody holds any more is cancelled by itself."""
        try:
            for event in self._events():
                inbox.put(event)
        except EdgeLLMError as error:
            inbox.end(failed(error))
        except httpx2.HTTPError as error:
            trouble = unreachable(str(self._http.base_url), error)
            inbox.end(self.chunks.end(self._ended_by) if self._ended_by else failed(trouble))
        except Exception as error:  # an answer of another shape than a server's; it must not leave its reader waiting
            inbox.end(failed(EngineError(f"The server's answer was not understood: {error!r}.")))
        else:
            inbox.end(self.chunks.end(self._ended_by))

    def _events(self) -> Iterator[Any]:
        with self._http.stream("POST", self._path, json=self._body, timeout=httpx2.Timeout(SILENCE_S)) as answer:
            self._socket = answer.extensions["network_stream"].get_extra_info("socket")
            if self._ended_by is not None:  # cancelled before there was a connection
                return
            if answer.status_code != 200:
                answer.read()
                raise refused(answer.status_code, _json(answer), answer.headers.get("retry-after"))
            for line in answer.iter_lines():
                if self._ends_at is not None and time.monotonic() >= self._ends_at:
                    self._ended_by = FinishReason.DEADLINE
                    return
                data = data_of(line)
                if data is not None:
                    yield from self.chunks.events(data)


def _json(answer: httpx2.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None
