"""Bytes from the terminal that are no UTF-8 are shown as U+FFFD; Textual's reader would end the app."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from functools import partial

from textual.drivers import linux_driver


def accept_any_bytes() -> None:
    """Let Textual's terminal reader replace what it cannot decode: a Latin-1 paste, one cut character.

    The driver has no setting for it; it looks the decoder up by this name when its thread starts.
    """
    setattr(linux_driver, "getincrementaldecoder", _replacing)  # noqa: B010  mypy takes it for private


def _replacing(encoding: str) -> Callable[[], codecs.IncrementalDecoder]:
    return partial(codecs.getincrementaldecoder(encoding), errors="replace")
