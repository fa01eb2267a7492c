"""The engine process: `python -m edgellm.engine.worker --fd N`, started and spoken to by a face.

The main thread owns the model and steps the engine, one thread reads asks, one writes answers. The process ends when it
is asked to, when SIGTERM arrives, when the face is gone, and when the model runtime becomes unusable or gets stuck.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable

from edgellm.engine import wire
from edgellm.engine.backend import Backend
from edgellm.engine.config import EngineConfig
from edgellm.engine.frames import WireError
from edgellm.engine.outcome import failed
from edgellm.engine.service import Service
from edgellm.engine.template import Renderer
from edgellm.engine.watchdog import HUNG_EXIT, Watchdog
from edgellm.engine.worker_channel import Outbox, Tray, read_asks
from edgellm.errors import EdgeLLMError

ORPHAN_LIMIT_S = 4.0
"""How long saving and closing may take once the face is gone; then the process ends all the same."""
SIGTERM_LIMIT_S = 10.0
"""The same after SIGTERM."""
ASKS_TARGET_S = 0.02
"""Time that asks (templates, tokenizing) may take between two steps."""
PROGRESS_STEP = 0.02
EMBED_PATIENCE = ("GOMP_SPINCOUNT", "1000")
"""How long a compute thread spins before it sleeps; nobody chooses an embedder's threads step by step. On two cores
with six other busy processes, two threads took 220 ms for a question with OpenMP's default, and 16 ms with this."""
FAKE = "fake:"


def main(arguments: list[str]) -> int:
    """Serve one face until it is done. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="edgellm.engine.worker", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="descriptor of the socket to the face")
    descriptor = parser.parse_args(arguments).fd
    os.set_inheritable(descriptor, False)
    channel = socket.socket(fileno=descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # before any thread: each one inherits it
    tray, outbox = Tray(), Outbox(channel)
    threading.excepthook = _end_process
    _thread(lambda: _await_sigterm(tray))
    _thread(lambda: _await_face(channel, tray))
    try:
        serve(tray, outbox)
    finally:
        outbox.close()  # also when the runtime broke: the requests were told why
    return 0


def serve(tray: Tray, outbox: Outbox) -> None:
    """Open the model, answer asks, step the engine; returns after `Shutdown`."""
    first, *others = tray.take(None)
    if isinstance(first, wire.Shutdown):
        return
    if not isinstance(first, wire.Open):
        raise WireError(f"The first ask was {type(first).__name__}; it must be Open.")
    renderer = Renderer()
    try:
        service = open_service(first.config, renderer, tray, outbox)
        if service is not None:
            _loop(service, others, tray)
    finally:
        renderer.close()


def open_service(config: EngineConfig, renderer: Renderer, tray: Tray, outbox: Outbox) -> Service | None:
    """The service with its model open; None when that failed and the face has been told why."""
    started = time.monotonic()
    try:
        backend = open_backend(config, _progress_to(outbox))
        service = Service(backend, config, renderer, _sender(tray, outbox))
    except EdgeLLMError as error:
        outbox.put(wire.Refused(id=wire.OPEN_ID, failed=failed(error)))
        return None
    tray.backend = backend
    outbox.put(wire.Opened(id=wire.OPEN_ID, info=backend.info, load_s=time.monotonic() - started))
    return service


def open_backend(config: EngineConfig, on_progress: Callable[[float], None]) -> Backend:
    """The runtime for the model; `fake:` with options is the built-in FakeBackend."""
    if config.model_path.startswith(FAKE):
        from edgellm.engine.fake import FakeBackend

        return FakeBackend(config)
    if config.mode == "embed":
        os.environ.setdefault(*EMBED_PATIENCE)  # read by OpenMP when llama.cpp is loaded
    from edgellm.engine.llama.backend import LlamaBackend  # loads llama.cpp: only where it is used

    return LlamaBackend(config, on_progress)


def _loop(service: Service, first: list[wire.AnyAsk], tray: Tray) -> None:
    """Asks and steps in turn; many asks at once wait for each other rather than hold up running answers."""
    waiting, is_busy, watchdog = deque(first), False, Watchdog(_give_up)
    while True:
        waiting.extend(tray.take(0 if is_busy or waiting else service.idle_s()))
        until = time.monotonic() + ASKS_TARGET_S
        while waiting and time.monotonic() < until:
            ask = waiting.popleft()
            if isinstance(ask, wire.Shutdown):
                service.close(save=ask.save)
                return
            service.handle(ask)
            waiting.extend(tray.take(0))  # a cancel that came meanwhile must not wait for a whole step
        is_busy = watchdog.watched(service.step)


def _sender(tray: Tray, outbox: Outbox) -> Callable[[wire.AnyAnswer], None]:
    def send(answer: wire.AnyAnswer) -> None:
        if not isinstance(answer, wire.STREAMING):
            tray.done(answer.id)
        outbox.put(answer)

    return send


def _progress_to(outbox: Outbox) -> Callable[[float], None]:
    reported = -1.0

    def report(fraction: float) -> None:
        nonlocal reported
        if fraction - reported >= PROGRESS_STEP or (fraction >= 1 > reported):
            reported = fraction
            outbox.put(wire.LoadProgress(id=wire.OPEN_ID, fraction=fraction))

    return report


def _thread(target: Callable[[], None]) -> None:
    threading.Thread(target=target, daemon=True).start()


def _await_sigterm(tray: Tray) -> None:
    """A thread of its own, because the main thread may be inside the model for a long time."""
    signal.sigwait({signal.SIGTERM})
    _end_soon(tray, SIGTERM_LIMIT_S)


def _await_face(channel: socket.socket, tray: Tray) -> None:
    sys.stderr.write(f"worker ends: {read_asks(channel, tray)}\n")
    _end_soon(tray, ORPHAN_LIMIT_S)


def _end_soon(tray: Tray, limit_s: float) -> None:
    deadline = threading.Timer(limit_s, os._exit, [0])
    deadline.daemon = True
    deadline.start()
    tray.put(wire.Shutdown(id=-1))


def _give_up() -> None:
    """The engine thread is stuck; only the end of the process frees those who wait for it."""
    faulthandler.dump_traceback()
    sys.stderr.write("worker ends: a step does not come back\n")
    os._exit(HUNG_EXIT)


def _end_process(problem: threading.ExceptHookArgs) -> None:
    """A thread that dies would leave a process that looks alive."""
    traceback.print_exception(problem.exc_type, problem.exc_value, problem.exc_traceback)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
