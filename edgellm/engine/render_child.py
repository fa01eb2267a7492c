"""The process that runs a model's chat template: sandboxed, limited in time, memory and output.

A template is a program from a model file. Jinja's immutable sandbox keeps it away from objects, but neither loops
nor huge strings are bounded by it, so the kernel bounds them: an alarm ends a render that takes too long and an
address-space limit ends one that grows. Dying is the planned answer; the owner starts another child.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from datetime import datetime
from typing import Any

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from edgellm.engine.frames import READ_BYTES, Frames, pack
from edgellm.engine.render_wire import (
    MEMORY_LIMIT_BYTES,
    OUT_OF_MEMORY_EXIT,
    OUTPUT_LIMIT_BYTES,
    TIME_LIMIT_S,
    RenderAnswer,
    RenderAsk,
)

_GLOBALS = ("range", "dict", "namespace", "joiner")
"""What stays of Jinja's own globals; `lipsum` and `cycler` have no place in a chat template."""


class TemplateRefusal(TemplateError):
    """The template itself refused the conversation through `raise_exception`."""


class GenerationTag(Extension):
    """`{% generation %}` marks the assistant's text for training; when rendering, its body is plain text."""

    tags = {"generation"}  # noqa: RUF012  (Jinja's own class attribute)

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def raise_exception(message: str) -> None:
    """What templates call to refuse a conversation."""
    raise TemplateRefusal(str(message))


def strftime_now(layout: str) -> str:
    """Today, as templates ask for it."""
    return datetime.now().strftime(layout)


def tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None) -> str:
    """JSON without HTML escapes, as templates expect it."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def environment() -> ImmutableSandboxedEnvironment:
    """The only Jinja environment in EdgeLLM that sees templates from model files."""
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, GenerationTag])
    env.globals = {name: env.globals[name] for name in _GLOBALS}
    env.globals.update(raise_exception=raise_exception, strftime_now=strftime_now)
    env.filters["tojson"] = tojson
    return env


def render(template: Template, variables: dict[str, Any]) -> str:
    """The rendered text. Raises: TemplateRefusal when it grows over the output limit."""
    pieces, size = [], 0
    for piece in template.generate(variables):
        size += len(piece.encode("utf-8", "surrogatepass"))
        if size > OUTPUT_LIMIT_BYTES:
            raise TemplateRefusal(f"its output is over {OUTPUT_LIMIT_BYTES} bytes")
        pieces.append(piece)
    return "".join(pieces)


class Kitchen:
    """Answers asks; keeps the last template compiled."""

    def __init__(self) -> None:
        self._environment = environment()
        self._source: str | None = None
        self._compiled = self._environment.from_string("")

    def answer(self, ask: RenderAsk) -> RenderAnswer:
        """Render, or say why not; a render that takes too long ends the process."""
        signal.setitimer(signal.ITIMER_REAL, TIME_LIMIT_S)
        try:
            template = self._template(ask.template)
            return RenderAnswer(texts=[render(template, variables) for variables in ask.variables])
        except MemoryError:
            os._exit(OUT_OF_MEMORY_EXIT)
        except Exception as error:  # a template can raise anything that Python's operators raise
            return RenderAnswer(refused=f"{type(error).__name__}: {error}"[:500])
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _template(self, source: str) -> Template:
        if source != self._source:
            self._compiled = self._environment.from_string(source)
            self._source = source
        return self._compiled


def limit_resources() -> None:
    """No file may grow, and memory is bounded where the platform enforces it (Linux does, macOS does not)."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))


def serve(source: int, target: int) -> None:
    """Answer asks from the descriptor `source` on the descriptor `target` until `source` ends."""
    kitchen = Kitchen()
    frames = Frames[RenderAsk](RenderAsk)
    _write(target, pack(RenderAnswer()))
    while data := os.read(source, READ_BYTES):
        for ask in frames.feed(data):
            _write(target, pack(kitchen.answer(ask)))


def _write(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    limit_resources()
    serve(sys.stdin.fileno(), sys.stdout.fileno())
