"""Traces: a span for each request that work was done for, where somebody collects them; nothing by default."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from urllib.parse import urlsplit

from edgellm.errors import InvalidInput, MissingExtra
from edgellm.store import UsageRow

Headers = Iterable[tuple[bytes, bytes]]


class Tracing:
    """Traces nothing."""

    def within(self, headers: Headers) -> AbstractContextManager[object]:  # noqa: ARG002  a collector's
        """A request's time: what is noted in it belongs to the trace that the request's headers name."""
        return nullcontext()

    def note(self, operation: str, row: UsageRow) -> None:
        """A request has ended, just now. `operation`: `chat`, `text_completion`, `embeddings`, `rerank`."""

    def close(self) -> None:
        """Send what is left, for a second at most."""


def tracing_to(collector: str | None) -> Tracing:
    """Traces for a collector that speaks OTLP over HTTP, `http://127.0.0.1:4318`; None traces nothing.

    Raises: InvalidInput when this is no address; MissingExtra.
    """
    if collector is None:
        return Tracing()
    try:
        address = urlsplit(collector)
        is_address = address.scheme in ("http", "https") and bool(address.hostname)
    except ValueError:
        is_address = False
    if not is_address:
        raise InvalidInput(f"{collector!r} is no address of a collector.", hint="http://HOST:4318", field="otlp")
    try:
        from edgellm.server.otel import traced  # the libraries that tracing needs are loaded where it is wanted
    except ModuleNotFoundError as error:
        message = f"Traces need the package {error.name!r}, which is missing."
        raise MissingExtra(message, hint='Install it: pip install "edgellm[otel]"', extra="otel") from error
    return traced(collector)
