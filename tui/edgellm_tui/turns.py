"""One turn of a conversation as the screen shows it, cleaned piece by piece while it grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import TYPE_CHECKING

from edgellm.safetext import StreamCleaner, clean, clean_line
from edgellm.types import Evidence, Role, Timings, Usage
from edgellm_tui.evidence import stored_evidence
from edgellm_tui.render.markdown import MarkdownText
from edgellm_tui.render.spans import clean_with_spans

if TYPE_CHECKING:
    from edgellm.store.records import StoredMessage

_numbers = count(1)


class Phase(Enum):
    """Where an answer is on its way."""

    QUEUED = "queued"
    SEARCHING = "searching"
    WAITING = "waiting"
    LOADING = "loading"
    READING = "reading"
    WRITING = "writing"
    DONE = "done"


@dataclass(slots=True, eq=False)
class Turn:
    """A message, its state and everything the transcript shows about it."""

    role: Role
    text: MarkdownText = field(default_factory=MarkdownText)
    reasoning: str = ""
    model: str = ""
    message_id: str | None = None
    parent_id: str | None = None
    phase: Phase = Phase.DONE
    progress: float = 0.0
    """0 to 1 while loading or reading."""
    progress_note: str = ""
    notices: list[str] = field(default_factory=list)
    error: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    timings: Timings | None = None
    evidence: Evidence | None = None
    """What an answer from documents rests on, once it was checked."""
    rating: int = 0
    is_corrected: bool = False
    branch: tuple[int, int] = (1, 1)
    """Which of how many alternatives this is."""
    reasoning_open: bool = False
    version: int = 0
    """Grows with every visible change."""
    key: int = field(default_factory=lambda: next(_numbers))
    _text_cleaner: StreamCleaner = field(default_factory=StreamCleaner)
    _reasoning_cleaner: StreamCleaner = field(default_factory=StreamCleaner)

    def touch(self) -> None:
        """Note a visible change."""
        self.version += 1

    def grow(self, text: str, reasoning: str = "") -> None:
        """Add a piece of the answer as it arrives."""
        self.phase = Phase.WRITING
        if text:
            self.text.append(self._text_cleaner.feed(text))
        if reasoning:
            self.reasoning += self._reasoning_cleaner.feed(reasoning)
        self.touch()

    def advance(self, phase: Phase, progress: float, note: str) -> None:
        """Note how far loading or reading is."""
        self.phase, self.progress, self.progress_note = phase, progress, clean_line(note)
        self.touch()

    def notice(self, text: str) -> None:
        """Say something beside the answer."""
        self.notices.append(clean_line(text))
        self.touch()

    def finish(self) -> None:
        """The last piece has arrived."""
        self.text.append(self._text_cleaner.flush())
        self.reasoning += self._reasoning_cleaner.flush()
        self.phase = Phase.DONE
        self.touch()

    def ground(self, text: str, evidence: Evidence) -> None:
        """Show the answer as it was checked: with the citations that hold, and what nothing supports."""
        self.text, self.evidence = _checked(text, evidence), evidence
        self._text_cleaner = StreamCleaner()
        self.touch()

    def correct(self, text: str) -> None:
        """Show what the answer should have been."""
        self.text, self.is_corrected = MarkdownText(clean(text)), True
        self.touch()

    def stand_among(self, forks: Mapping[str, Sequence[str]]) -> None:
        """Number it among its alternatives: `forks` gives their ids by the id of each."""
        if self.message_id is not None:
            ids = forks.get(self.message_id, (self.message_id,))
            before, self.branch = self.branch, (ids.index(self.message_id) + 1, len(ids))
            if self.branch != before:
                self.touch()

    @property
    def is_open(self) -> bool:
        """Whether the answer is still on its way."""
        return self.phase is not Phase.DONE


def asked(text: str) -> Turn:
    """A turn for what the user wrote."""
    return Turn("user", MarkdownText(clean(text)))


def awaited(model: str) -> Turn:
    """A turn for an answer that has not begun."""
    return Turn("assistant", model=clean_line(model), phase=Phase.WAITING)


def _checked(text: str, evidence: Evidence) -> MarkdownText:
    cleaned, unsupported = clean_with_spans(text, evidence.unsupported)
    return MarkdownText(cleaned, unsupported)


def _text_of(message: StoredMessage, evidence: Evidence | None) -> MarkdownText:
    if message.correction or evidence is None:
        return MarkdownText(clean(message.correction or message.content))
    return _checked(message.content, evidence)


def turn_of(message: StoredMessage) -> Turn:
    """A stored message as a turn."""
    evidence = stored_evidence(message.evidence)
    return Turn(
        role=message.role,
        text=_text_of(message, evidence),
        reasoning=clean(message.reasoning or ""),
        model=clean_line(message.model or ""),
        message_id=message.id,
        parent_id=message.parent_id,
        finish_reason=message.finish_reason,
        usage=message.usage,
        timings=message.timings,
        evidence=evidence,
        rating=message.rating or 0,
        is_corrected=bool(message.correction),
    )
