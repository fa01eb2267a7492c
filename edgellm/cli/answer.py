"""An answer as it arrives: drawn on a terminal, written into a pipe, or gathered into one JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgellm.cli.diagnostics import Code
from edgellm.cli.interrupt import end_by, stopping
from edgellm.cli.output import Output
from edgellm.cli.units import count, rate, span
from edgellm.cli.wordwrap import WordWrap
from edgellm.cli.world import World
from edgellm.safetext import StreamCleaner
from edgellm.types import Delta, FinishReason, Loading, Notice, Prefill, Reply, StreamEvent

if TYPE_CHECKING:
    from edgellm.sdk.stream import ReplyStream


def follow(stream: ReplyStream, world: World, *, quiet: bool = False) -> tuple[Reply, Code]:
    """Show the stream to its end; Ctrl+C, SIGTERM and SIGHUP stop it and keep the partial answer.

    Returns: the reply, and DONE or the exit code of what stopped it. `quiet` shows everything but the answer itself.
    Raises: KeyboardInterrupt or Stopped when that came before the first word.
    """
    view = _View(world, quiet)
    with stream, stopping(stream.cancel) as interrupt:
        try:
            for event in stream:
                view.show(event)
        finally:
            view.end()
    view.tell(stream.reply.notices)
    if not stream.reply.choices:
        raise end_by(interrupt.code or Code.INTERRUPTED)
    return stream.reply, interrupt.code


class _View:
    """Where the pieces of one answer go; each text passes one cleaner, so that no escape survives a cut."""

    def __init__(self, world: World, quiet: bool) -> None:
        self._out = world.out
        self._err = world.err
        self._quiet = quiet
        self._text = StreamCleaner()
        self._thought = StreamCleaner()
        self._wrap = _wrapping(self._out)
        self._role = ""
        self._has_written = False
        self._is_line_open = False
        self._told = 0

    def show(self, event: StreamEvent) -> None:
        """One event, at once."""
        if isinstance(event, Loading):
            self._err.status(f"opening {event.model} {event.fraction:.0%}")
        elif isinstance(event, Prefill):
            self._err.status(f"reading the prompt {event.done_tokens:,} of {event.total_tokens:,} tokens")
        elif isinstance(event, Notice):
            self._told += 1
            self._err.note(event.text)
        elif not self._quiet:
            self._show_piece(event)

    def tell(self, notices: Sequence[str]) -> None:
        """The notices that came after the last event."""
        for text in notices[self._told :]:
            self._err.note(text)

    def _show_piece(self, delta: Delta) -> None:
        if delta.reasoning and self._out.is_terminal:  # a pipe gets the answer alone
            self._write(self._thought.feed(delta.reasoning), "dim")
        if delta.text:
            self._write(self._text.feed(delta.text), "")

    def _write(self, text: str, role: str) -> None:
        if not text:
            return
        self._err.clear_status()
        if role != self._role:
            self._change_role(role)
        self._put(self._wrap.feed(text) if self._wrap else text)

    def _change_role(self, role: str) -> None:
        """Set reasoning and answer apart."""
        self._finish_line()
        if self._has_written:
            self._out.write("\n")
        self._role = role

    def _put(self, text: str) -> None:
        if text:
            self._has_written = True
            self._is_line_open = not text.endswith("\n")
            self._out.write(self._out.paint(text, self._role))

    def _finish_line(self) -> None:
        if self._wrap:
            self._put(self._wrap.flush())
            self._wrap = _wrapping(self._out)
        if self._is_line_open:
            self._out.write("\n")
            self._is_line_open = False

    def end(self) -> None:
        """What was held back, and the end of the line."""
        self._err.clear_status()
        self._write(self._text.flush(), self._role)
        self._finish_line()


def _wrapping(out: Output) -> WordWrap | None:
    """A wrapper for this terminal; None for a pipe, where lines are as the model wrote them."""
    return WordWrap(out.width) if out.width else None


def as_json(reply: Reply) -> dict[str, Any]:
    """The documented object of `edgellm chat --json`."""
    return {
        "text": reply.text,
        "finish_reason": reply.finish_reason.value,
        "model": reply.model,
        "usage": {
            "prompt_tokens": reply.usage.prompt_tokens,
            "cached_tokens": reply.usage.cached_tokens,
            "completion_tokens": reply.usage.completion_tokens,
        },
        "timings": {
            "load_s": reply.timings.load_s,
            "ttft_s": reply.timings.ttft_s,
            "prefill_tokens_per_s": reply.timings.prefill_tokens_per_s,
            "decode_tokens_per_s": reply.timings.decode_tokens_per_s,
        },
    }


ENDINGS: Mapping[str, str] = {
    FinishReason.LENGTH: "cut at the token limit",
    FinishReason.CANCELLED: "stopped",
    FinishReason.DEADLINE: "out of time",
    "failed": "cut off",
    "refused": "not answered",
}
"""What is said of a message that did not end by itself; the last two are the store's words."""


def in_one_line(reply: Reply) -> str:
    """What the answer cost: tokens, speed, time to the first one, reuse."""
    parts = [
        count(reply.usage.completion_tokens, "token"),
        rate(reply.timings.decode_tokens_per_s),
        f"first after {span(reply.timings.ttft_s)}",
    ]
    if reply.usage.cached_tokens:
        parts.append(f"{reply.usage.cached_tokens:,} of {reply.usage.prompt_tokens:,} prompt tokens reused")
    if reply.finish_reason in ENDINGS:
        parts.insert(0, ENDINGS[reply.finish_reason])
    return " · ".join(parts)
