"""A server for other programs: started and stopped from here, and watched while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from edgellm.decoding import from_json
from edgellm.errors import EngineError, InvalidInput, JobError, NotFound
from edgellm.file_lock import locked
from edgellm.paths import Home
from edgellm.sdk.live import LiveFigures, LiveRequest
from edgellm.sdk.server_log import Trouble, newest
from edgellm.sdk.server_process import POLL_S, ServerFiles, Started, end

__all__ = ["LiveFigures", "LiveRequest", "RunningServer", "ServerOptions", "Servers", "Trouble"]

START_S = 300.0
"""A server whose model is not open after this time is ended again."""
STOP_S = 12.0
"""A server ends within ten seconds of being asked to."""
CALL_S = 5.0
MOST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Where a server listens, and with which model."""

    host: str = "127.0.0.1"
    """Others than this machine's own addresses need a key to be there first."""
    port: int = 8000
    """0 takes any free one."""
    model: str | None = None
    """Opened at once, MODEL[@ADAPTER] or an alias; None takes the one that is used when none is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A server's process."""

    pid: int
    started_at: float
    """Seconds since the epoch."""
    host: str
    """The address that it was told to listen on."""
    port: int
    model: str
    url: str | None
    """The address that programs on this machine call; None while its model is being opened."""


class Servers:
    """This home's server, a process that outlives the program which started it. There is one at most.

    It reads the home's own settings. One that was started otherwise (`edgellm serve`, a service) is not seen here.
    """

    def __init__(self, home: Home, resolve: Callable[[str], str], model: str, *, offline: bool = False) -> None:
        """`resolve`: what finds a model again from any folder; `model`: the one that is used when none is named."""
        self._files = ServerFiles(home)
        self._log = home.logs / "server.log"
        self._resolve = resolve
        self._model = model
        self._offline = offline

    def begin(self, options: ServerOptions | None = None) -> RunningServer:
        """Start a server and return at once; `status` says when it takes requests, `last_words` why it ended.

        Raises: InvalidInput when one runs already; ModelNotFound; JobError.
        """
        options = options or ServerOptions()
        model = self._resolve(options.model or self._model)
        with locked(self._files.lock):
            running = self.status()
            if running is not None:
                at = running.url or f"{running.host}:{running.port}"
                raise InvalidInput(f"A server runs already at {at}.", hint="Stop it first.", field="port")
            more = ["--offline"] if self._offline else []
            return self._running(self._files.spawn(options.host, options.port, model, more))

    def start(self, options: ServerOptions | None = None, *, limit_s: float = START_S) -> RunningServer:
        """Start a server and wait until it takes requests. Raises: as `begin`; JobError when it ends before that."""
        deadline = time.monotonic() + limit_s
        self.begin(options)
        while (running := self.status()) is not None:
            if running.url is not None:
                return running
            if time.monotonic() > deadline:
                self.stop()
                raise JobError(f"The server did not start: its model was not open after {limit_s:g} s.")
            time.sleep(POLL_S)
        raise JobError(f"The server did not start. {self.last_words() or 'Its process ended without a word.'}")

    def status(self) -> RunningServer | None:
        """The server that runs, or None."""
        started = self._files.started()
        return self._running(started) if started else None

    def last_words(self) -> str:
        """Why the newest server ended, as far as it said, on one line; empty while it runs well."""
        return self._files.last_words()

    def stop(self, grace_s: float = STOP_S) -> None:
        """End the server: it takes nothing new, and open answers have a few seconds to become complete.

        Raises: JobError when it still runs after `grace_s`; asked again, it ends at once.
        """
        started = self._files.started()
        if started is None:
            return
        if not end(started, grace_s):
            message = f"The server still runs {grace_s:g} s after it was asked to end."
            raise JobError(message, hint="Stop it once more to cut off what is open.", pid=started.pid)
        self._files.forget()

    def log(self, limit: int = 100) -> list[Trouble]:
        """What went wrong in this home's servers, however they were started, newest first; no word of clients."""
        return newest(self._log, limit)

    def live(self) -> LiveFigures:
        """What it does at this moment.

        Raises: NotFound when none takes requests; EngineError when it gives no answer.
        """
        started = self._files.started()
        ready = self._files.ready(started) if started else None
        if started is None or ready is None:
            raise NotFound("No server takes requests here.", hint="Start one: edgellm serve")
        try:
            return from_json(_get(ready.url, "/admin/status", started.token), type=LiveFigures)
        except msgspec.DecodeError as error:
            raise EngineError(f"The server at {ready.url} says something unexpected: {error}.") from error

    def _running(self, started: Started) -> RunningServer:
        ready = self._files.ready(started)
        return RunningServer(
            pid=started.pid,
            started_at=started.pid_started_at,
            host=started.host,
            port=started.port,
            model=ready.model if ready else started.model,
            url=ready.url if ready else None,
        )


def _get(url: str, path: str, token: str) -> bytes:
    """The body of an answer; no proxy of the environment is asked. Raises: EngineError."""
    from http.client import HTTPConnection, HTTPException  # deferred: only a look at a server needs it

    connection = HTTPConnection(urlsplit(url).netloc, timeout=CALL_S)
    try:
        connection.request("GET", path, headers={"authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body = answer.read(MOST_BYTES)
    except (OSError, HTTPException) as error:
        raise EngineError(f"The server at {url} does not answer: {error or type(error).__name__}.") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise EngineError(f"The server at {url} refuses its figures with status {answer.status}.")
    return body
