"""Draft sets in memory."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgellm.data.draft_checks import Refusal
from edgellm.data.drafts import FORMAT_VERSION, Drafted, DraftedPassage, DraftInfo, DraftSet, Pair, Status
from edgellm.data.rows import Source
from edgellm.errors import DatasetNotFound, EdgeLLMError
from edgellm.store.records import StoredJob
from tests.tui.fakes.jobs import FakeJobs

TEXT = "The ferry is called the Morwenna. A single ticket costs 6 crowns. Four deckhands work in two shifts."
PAIRS = (
    ("What does a ticket cost?", "A single ticket costs 6 crowns."),
    ("How many deckhands work?", "Four deckhands work in two shifts."),
    ("What is the ferry called?", "The ferry is called the Morwenna."),
)


def draft_set(
    name: str, pairs: Sequence[tuple[str, str]] = PAIRS, text: str = TEXT, title: str = "The ferry"
) -> DraftSet:
    """Pending pairs of one passage, and one that was refused."""
    written = [
        Drafted(id=f"p{number}", question=question, answer=answer, check=None, model_says=True, refused=None)
        for number, (question, answer) in enumerate(pairs, 1)
    ]
    bad = Drafted(id="p0", question="Who?", answer="A king.", check=Refusal.NAME, model_says=None, refused=Refusal.NAME)
    passage = DraftedPassage(
        id="passage", title=title, text=text, source=Source("handbook.md", 15), pairs=(bad, *written)
    )
    info = DraftInfo(
        format_version=FORMAT_VERSION,
        name=name,
        created="2026-11-22T07:30:00+00:00",
        job="j1",
        model="starter",
        files=("handbook.md",),
        per_passage=3,
        judged_right=8,
        judged_of=8,
        counts_model=True,
    )
    stand = [Pair(each, passage, Status.PENDING, each.question, each.answer) for each in passage.pairs]
    return DraftSet(Path("/drafts") / name, info, stand, 1)


class FakeDrafts:
    """Draft sets that a test put here; `decided` is every decision, in order."""

    def __init__(self, jobs: FakeJobs) -> None:
        self._jobs = jobs
        self.kept: dict[str, DraftSet] = {}
        self.decided: list[tuple[str, str, str, str]] = []
        self.failure: EdgeLLMError | None = None
        """What ends a decision."""

    async def start(self, files: Sequence[str | Path], name: str, model: str, *, per_passage: int = 3) -> StoredJob:
        arguments = {"files": [str(file) for file in files], "name": name, "model": model, "per_passage": per_passage}
        return await self._jobs.start("draft", f"Draft {name}", arguments)

    async def list(self) -> builtins.list[DraftSet]:
        return [drafts for _, drafts in sorted(self.kept.items())]

    async def open(self, name: str) -> DraftSet:
        if name not in self.kept:
            raise DatasetNotFound(f"There are no drafts named {name!r}.")
        return self.kept[name]

    async def decide(self, name: str, pair: str, status: str, *, question: str = "", answer: str = "") -> None:
        if self.failure is not None:
            raise self.failure
        self.decided.append((pair, status, question, answer))
        found = self.kept[name]
        pairs = [
            each if each.id != pair else replace(each, status=Status(status), question=question or each.question,
                                                 answer=answer or each.answer)
            for each in found.pairs
        ]  # fmt: skip
        self.kept[name] = replace(found, pairs=pairs)
