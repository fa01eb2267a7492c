"""Chat templates: the owner of the process that renders them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from edgellm.engine.frames import READ_BYTES, Frames, WireError, pack
from edgellm.engine.render_wire import (
    MEMORY_LIMIT_BYTES,
    OUT_OF_MEMORY_EXIT,
    TEMPLATE_LIMIT_BYTES,
    TIME_LIMIT_S,
    RenderAnswer,
    RenderAsk,
)
from edgellm.errors import InvalidInput, TemplateRejected

START_LIMIT_S = 30.0
"""How long a child may take to start on a busy machine."""
GRACE_S = 0.5
"""How much longer than its own alarm a child is waited for."""

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""ChatML, for files whose vocabulary has its markers but which carry no template."""
PLAIN = (
    "{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""Names and blank lines, for files that have neither a template nor ChatML's markers."""


class Renderer:
    """Renders one template in a child process that is started ahead of need and replaced when it dies.

    Not thread-safe: one thread renders.
    """

    def __init__(self) -> None:
        self._child = _Child()

    def render(self, template: str, variables: Sequence[dict[str, Any]]) -> list[str]:
        """One text for each set of variables.

        Raises: TemplateRejected when the template is too large, fails, refuses, or breaks a limit; InvalidInput when
        the variables are too large to be sent.
        """
        size = len(template.encode("utf-8", "surrogatepass"))
        if size > TEMPLATE_LIMIT_BYTES:
            raise TemplateRejected(f"The chat template has {size} bytes; the limit is {TEMPLATE_LIMIT_BYTES}.")
        if problem := self._child.wait_until_ready():
            self._replace_child()
            raise TemplateRejected(f"The process that renders chat templates did not start: it {problem}.")
        try:
            frame = pack(RenderAsk(template=template, variables=list(variables)))
        except WireError as error:
            raise InvalidInput(f"The conversation cannot be rendered: {error.message}", field="messages") from error
        answer = self._child.ask(frame)
        if isinstance(answer, str):
            self._replace_child()
            raise TemplateRejected(f"The chat template {answer}.", hint=_HINT)
        if answer.refused:
            raise TemplateRejected(f"The chat template does not accept this conversation: {answer.refused}")
        return answer.texts

    def close(self) -> None:
        """End the child."""
        self._child.close()

    def _replace_child(self) -> None:
        self._child.close()
        self._child = _Child()


_HINT = "Use a model file with a sound template; this one was stopped."


class _Child:
    """One render process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edgellm.engine.render_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            process_group=0,
        )
        self._frames = Frames[RenderAnswer](RenderAnswer)
        self._is_ready = False

    def wait_until_ready(self) -> str:
        """Why it did not start; empty when it is there."""
        started = RenderAnswer() if self._is_ready else self._read(START_LIMIT_S)
        self._is_ready = isinstance(started, RenderAnswer)
        return started if isinstance(started, str) else ""

    def ask(self, frame: bytes) -> RenderAnswer | str:
        """The answer, or what the template did wrong."""
        try:
            self._write(frame)
        except BrokenPipeError:
            return self._verdict()
        return self._read(TIME_LIMIT_S + GRACE_S)

    def close(self) -> None:
        """Kill and reap."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def _write(self, frame: bytes) -> None:
        assert self._process.stdin is not None
        view = memoryview(frame)
        while view:
            view = view[os.write(self._process.stdin.fileno(), view) :]

    def _read(self, limit_s: float) -> RenderAnswer | str:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        until = time.monotonic() + limit_s
        while (left_s := until - time.monotonic()) > 0:
            if not select.select([descriptor], [], [], left_s)[0]:
                continue
            data = os.read(descriptor, READ_BYTES)
            if not data:
                return self._verdict()
            for answer in self._frames.feed(data):
                return answer
        return f"took longer than {limit_s:g} s"

    def _verdict(self) -> str:
        """Why the child ended."""
        code = self._process.wait()
        if code == -signal.SIGALRM:
            return f"took longer than {TIME_LIMIT_S:g} s"
        if code == OUT_OF_MEMORY_EXIT:
            return f"needed more than {MEMORY_LIMIT_BYTES // 1024**2} MiB of memory"
        return f"ended its process with code {code}"
