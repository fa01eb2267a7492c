"""Messages that travel up to the app."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.message import Message

from edgellm.errors import EdgeLLMError
from edgellm_tui.widgets.dock import JobLine

if TYPE_CHECKING:
    from edgellm.store.records import StoredJob


class ConversationChanged(Message):
    """Turns, model, session or numbers of the conversation changed."""


class Refused(Message):
    """Something could not be done; the reader is told."""

    def __init__(self, error: EdgeLLMError) -> None:
        super().__init__()
        self.error = error


class OpenSession(Message):
    """Resume a stored conversation; with `message_id` on its branch and at that message, where `words` were found."""

    def __init__(self, session_id: str, message_id: str | None = None, words: Sequence[str] = ()) -> None:
        super().__init__()
        self.session_id = session_id
        self.message_id = message_id
        self.words = words


class SessionChanged(Message):
    """A stored conversation was renamed or deleted."""

    def __init__(self, session_id: str) -> None:
        super().__init__()
        self.session_id = session_id


class UseModel(Message):
    """Chat with this model from now on."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class UseDocuments(Message):
    """Answer from this collection from now on."""

    def __init__(self, collection: str) -> None:
        super().__init__()
        self.collection = collection


class FetchModel(Message):
    """Download a model."""

    def __init__(self, reference: str, title: str) -> None:
        super().__init__()
        self.reference = reference
        self.title = title


class UseTheme(Message):
    """Wear this theme and remember it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class JobBegan(Message):
    """A page has started or resumed a job."""

    def __init__(self, job: StoredJob) -> None:
        super().__init__()
        self.job = job


class JobsChanged(Message):
    """A job began, moved or ended."""

    def __init__(self, jobs: Sequence[JobLine]) -> None:
        super().__init__()
        self.jobs = jobs


class ModelsChanged(Message):
    """A model or adapter came, went, was loaded or unloaded, or a job ended that may have made something."""
