"""What a remote answer leaves behind on this side: nothing but its reply."""

from __future__ import annotations

from dataclasses import replace

from edgellm.errors import EdgeLLMError
from edgellm.sdk.answer import Answer
from edgellm.sdk.remote.chunks import Chunks
from edgellm.types import Reply


class RemoteRecord:
    """Makes the reply; the server keeps and counts it."""

    is_due = False

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks

    def grow(self, answer: Answer) -> None:
        """Nothing is kept here."""

    def end(self, answer: Answer, error: EdgeLLMError | None) -> Reply:  # noqa: ARG002  the caller raises it
        """The reply, with the citations that hold; `message_id` is what feedback refers to."""
        choices = answer.choices()
        if self._chunks.text is not None and choices:
            choices = (replace(choices[0], text=self._chunks.text), *choices[1:])
        return Reply(
            choices=choices,
            model=answer.model,
            usage=answer.usage,
            timings=answer.timings,
            message_id=self._chunks.id,
            notices=tuple(answer.notices),
            evidence=self._chunks.evidence,
        )
