"""Subjects without a model, and cases made in one line."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

from edgellm.evals.values import Asked, Case, Likelihood, Result, Said, Score, Subject, Tools
from edgellm.types import Message

NO_TOOLS = Tools()


class FakeSubject:
    """Says what a function of the last question says; counts what it was asked."""

    def __init__(
        self,
        says: Callable[[str], str] = lambda question: question,
        *,
        name: str = "fake",
        can_weigh: bool = True,
        weighs: Callable[[str], float] = lambda text: -float(len(text)),
    ) -> None:
        self.name = name
        self.identity = hashlib.sha256(name.encode()).hexdigest()
        self.can_weigh = can_weigh
        self._says, self._weighs = says, weighs
        self._lock = threading.Lock()
        self.asked: list[Asked] = []
        self.weighed: list[tuple[Sequence[Message], str]] = []

    def answer(self, asked: Asked) -> Said:
        with self._lock:
            self.asked.append(asked)
        return Said(text=self._says(asked.messages[-1].content), completion_tokens=3, seconds=0.5)

    def likelihood(self, messages: Sequence[Message], text: str) -> Likelihood:
        with self._lock:
            self.weighed.append((messages, text))
        return Likelihood(self._weighs(text), len(text.split()))


def case(score: str = "contains", prompt: str = "What?", **fields: Any) -> Case:
    """A case of the suite `s`; other fields than those of `Case` are the scorer's own."""
    own = {key: fields.pop(key) for key in list(fields) if key not in Case.__dataclass_fields__}
    name = fields.pop("id", "1")
    expected = fields.pop("expected", ())
    return Case(
        id=name,
        suite="s",
        score=score,
        messages=(Message(role="user", content=prompt),),
        group=fields.pop("group", name),
        expected=(expected,) if isinstance(expected, str) else tuple(expected),
        options=own,
        **fields,
    )


def scored(score: str, text: str, subject: Subject | None = None, tools: Tools = NO_TOOLS, **fields: Any) -> Score:
    """What a kind of score makes of a text; with a subject, of what that one says."""
    from edgellm.evals.scorers import SCORERS

    asked, kind = case(score, **fields), SCORERS[score]
    assert not kind.problem(asked), kind.problem(asked)
    said = Said(text=text) if subject is None else kind.asks(asked, 0, subject)
    return kind.score(asked, said, tools)


def result(value: float | None, name: str = "1", **fields: Any) -> Result:
    """A result with this value."""
    base: dict[str, Any] = {
        "case_id": name,
        "category": "",
        "group": name,
        "sample": 0,
        "question": "What?",
        "reason": "because",
        "measures": {},
        "said": Said(text="This."),
    }
    return Result(value=value, **(base | fields))
