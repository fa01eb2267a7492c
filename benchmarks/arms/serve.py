"""EdgeLLM over HTTP, and the same requests through the SDK in this process."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.arms.base import ArmConfig, ArmFailed, Ask, OnPiece, Served
from benchmarks.arms.servers import ServerArm
from edgellm import EdgeLLM, Sampling
from edgellm.settings import Settings
from edgellm.types import Delta

QUEUE = 256


class EdgeServe(ServerArm):
    """`edgellm serve`, with a home of its own and without keys."""

    name = "edgellm serve"
    _path, _health = "/v1/completions", "/ready"

    def __init__(self, config: ArmConfig) -> None:
        super().__init__(config)
        self.home = Path(tempfile.mkdtemp(prefix="edgellm-bench-"))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Of the server; its engine is its child."""
        if self._process is None:
            raise ArmFailed(f"{self.name} does not run.")
        return self._process.pid

    def stop(self) -> None:
        """End the process and forget its home."""
        super().stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _command(self, config: ArmConfig, port: int) -> Sequence[str]:
        home = self.home / "config"
        home.mkdir(exist_ok=True)
        (home / "settings.toml").write_text(f"context_tokens = {config.context_tokens}\n", encoding="utf-8")
        base = [sys.executable, "-m", "edgellm", "--home", str(self.home)]
        sizes = ["--parallel", str(config.parallel), "--queue", str(QUEUE)]
        return [*base, "serve", "-m", str(config.model), "--port", str(port), *sizes]

    def _body(self, ask: Ask) -> Mapping[str, object]:
        body = {"model": self._config.model.stem, "prompt": ask.prompt, "max_tokens": ask.max_tokens, "temperature": 0}
        return {**body, "stream": True, "stream_options": {"include_usage": True}}

    def _text(self, event: Mapping[str, Any]) -> str:
        if "error" in event:
            raise ArmFailed(f"{self.name}: {event['error']}")
        return str(event["choices"][0]["text"]) if event.get("choices") else ""

    def _note(self, event: Mapping[str, Any], served: Served) -> None:
        usage = event.get("usage")
        if usage:
            served.completion_tokens = usage["completion_tokens"]
            served.computed_prompt_tokens = usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"]


class InProcess:
    """The SDK, whose calls reach the engine's process without HTTP."""

    name = "edgellm in-process"

    def __init__(self, config: ArmConfig) -> None:
        self._config = config
        self._home = tempfile.TemporaryDirectory(prefix="edgellm-bench-")
        self._edge: EdgeLLM | None = None

    def start(self) -> None:
        """Open the model."""
        settings = Settings(context_tokens=self._config.context_tokens)
        self._edge = EdgeLLM(str(self._config.model), home=self._home.name, settings=settings)
        self._edge.models.load(str(self._config.model))

    def serve(self, ask: Ask, on_piece: OnPiece | None = None) -> Served:
        """Serve one completion."""
        if self._edge is None:
            raise RuntimeError("The arm was not started.")
        served = Served(asked_at=time.perf_counter())
        sampling = Sampling(temperature=0.0, max_tokens=ask.max_tokens)
        with self._edge.complete(ask.prompt, stream=True, sampling=sampling) as stream:
            for event in stream:
                if isinstance(event, Delta) and event.text:
                    served.arrivals.append((time.perf_counter(), len(event.text)))
                    if on_piece:
                        on_piece(len(served.arrivals))
        served.ended_at = time.perf_counter()
        usage = stream.reply.usage
        served.computed_prompt_tokens = usage.prompt_tokens - usage.cached_tokens
        served.completion_tokens = usage.completion_tokens
        return served

    def stop(self) -> None:
        """Close the model."""
        if self._edge is not None:
            self._edge.close()
            self._edge = None
        self._home.cleanup()
