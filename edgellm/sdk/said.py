"""An answer that no model has to write."""

from __future__ import annotations

from edgellm.engine.outcome import ChoiceEnd, Finished
from edgellm.engine.stream import Inbox, Stream
from edgellm.types import Delta, FinishReason, Timings, Usage


def said(text: str) -> Stream:
    """A stream that says `text` and ends."""
    inbox = Inbox()
    inbox.put(Delta(text=text))
    inbox.end(Finished(choices=(ChoiceEnd(0, FinishReason.STOP),), usage=Usage(), timings=Timings()))
    return Stream(inbox, cancel=lambda: None)
