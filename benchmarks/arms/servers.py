"""HTTP servers on this machine: llama-server and llama-cpp-python's packaged one."""

from __future__ import annotations

import http.client
import importlib.util
import json
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.arms.base import ArmConfig, ArmFailed, Ask, OnPiece, Served

START_TIMEOUT_S = 120.0
REQUEST_TIMEOUT_S = 600.0
PACKAGED_NEEDS = ("fastapi", "uvicorn", "sse_starlette", "starlette_context", "pydantic_settings")


class ServerArm(ABC):
    """A child process that serves completions over HTTP and streams them as server-sent events."""

    name = ""
    _path = ""
    _health = ""

    def __init__(self, config: ArmConfig) -> None:
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._port = 0

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self._port = free_port()
        command = self._command(self._config, self._port)
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                words = self._last_words()
                self.stop()
                raise ArmFailed(f"{self.name} did not start:\n{words}")
            time.sleep(0.1)

    def serve(self, ask: Ask, on_piece: OnPiece | None = None) -> Served:
        """Serve one completion."""
        served = Served(asked_at=time.perf_counter())
        for event in post_events(self._port, self._path, self._body(ask)):
            if text := self._text(event):
                served.arrivals.append((time.perf_counter(), len(text)))
                if on_piece:
                    on_piece(len(served.arrivals))
            self._note(event, served)
        served.ended_at = time.perf_counter()
        return served

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._log.close()

    @abstractmethod
    def _command(self, config: ArmConfig, port: int) -> Sequence[str]:
        """The command line that serves on `port`."""

    @abstractmethod
    def _body(self, ask: Ask) -> Mapping[str, object]:
        """The request's JSON body."""

    @abstractmethod
    def _text(self, event: Mapping[str, Any]) -> str:
        """The text in one event."""

    @abstractmethod
    def _note(self, event: Mapping[str, Any], served: Served) -> None:
        """Take the token counts from an event that has them."""

    def _answers(self) -> bool:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
            connection.request("GET", self._health)
            is_ok = connection.getresponse().status == 200
            connection.close()
        except (OSError, http.client.HTTPException):
            return False
        return is_ok

    def _last_words(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-1500:]


class LlamaServer(ServerArm):
    """llama.cpp's own server, built from the same source with the same flags."""

    name = "llama-server"
    _path, _health = "/completion", "/health"

    def __init__(
        self, config: ArmConfig, binary: Path, *, name: str = "llama-server", extra: Sequence[str] = ()
    ) -> None:
        super().__init__(config)
        self.name = name
        self._binary, self._extra = binary, extra

    def _command(self, config: ArmConfig, port: int) -> Sequence[str]:
        sizes = ["-c", str(config.context_tokens), "-np", str(config.parallel), "-kvu", "-t", str(config.threads)]
        place = ["--host", "127.0.0.1", "--port", str(port), "--no-webui"]
        return [str(self._binary), "-m", str(config.model), *sizes, *place, *self._extra]

    def _body(self, ask: Ask) -> Mapping[str, object]:
        return {"prompt": ask.prompt, "n_predict": ask.max_tokens, "temperature": 0.0, "stream": True}

    def _text(self, event: Mapping[str, Any]) -> str:
        return str(event.get("content", ""))

    def _note(self, event: Mapping[str, Any], served: Served) -> None:
        timings = event.get("timings")
        if timings and event.get("stop"):
            served.computed_prompt_tokens = timings["prompt_n"]
            served.completion_tokens = timings["predicted_n"]


class PackagedServer(ServerArm):
    """`python -m llama_cpp.server`: one request at a time, as it comes."""

    name = "llama_cpp.server"
    _path, _health = "/v1/completions", "/v1/models"

    @staticmethod
    def missing() -> list[str]:
        """Packages it needs that are not installed."""
        return [name for name in PACKAGED_NEEDS if importlib.util.find_spec(name) is None]

    def _command(self, config: ArmConfig, port: int) -> Sequence[str]:
        sizes = ["--n_ctx", str(config.context_tokens), "--n_threads", str(config.threads)]
        place = ["--host", "127.0.0.1", "--port", str(port), "--interrupt_requests", "False"]
        return [sys.executable, "-m", "llama_cpp.server", "--model", str(config.model), *sizes, *place]

    def _body(self, ask: Ask) -> Mapping[str, object]:
        body = {"prompt": ask.prompt, "max_tokens": ask.max_tokens, "temperature": 0.0, "repeat_penalty": 1.0}
        return {**body, "stream": True}

    def _text(self, event: Mapping[str, Any]) -> str:
        return str(event["choices"][0]["text"]) if event.get("choices") else ""

    def _note(self, event: Mapping[str, Any], served: Served) -> None:
        served.completion_tokens += 1 if self._text(event) else 0


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def post_events(port: int, path: str, body: Mapping[str, object]) -> Iterator[Mapping[str, Any]]:
    """Post JSON and yield the server-sent events of the answer. Raises: ArmFailed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_TIMEOUT_S)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise ArmFailed(f"{path} answered {response.status}: {response.read(500).decode(errors='replace')}")
        yield from parse_events(response)
    finally:
        connection.close()


def parse_events(lines: Iterator[bytes] | http.client.HTTPResponse) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of `data:` lines, up to `[DONE]`. Raises: ArmFailed on an error event."""
    for line in lines:
        if line.startswith(b"error:"):
            raise ArmFailed(line.decode(errors="replace"))
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        yield json.loads(data)
