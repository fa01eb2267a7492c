"""Datasets in a folder, checked and built as a test says."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

from edgellm.data.dataset import DROPPED, Dataset, Manifest, SplitFile
from edgellm.data.detect import Format
from edgellm.data.report import Counts, Found, Report, Tokens
from edgellm.data.rows import Dropped, Reason, Source
from edgellm.data.rules import Action, Kind, Rules
from edgellm.data.sources import FileReport
from edgellm.data.split import SPLITS
from edgellm.data.tokens import TokenStatistics
from edgellm.errors import DatasetNotFound
from edgellm.events import JobEvent, Progressed
from edgellm.sdk.damaged import Damaged

COUNTS = Counts(
    read=1000,
    kept=951,
    dropped={Reason.NEAR_DUPLICATE: 31, Reason.SHORT_ANSWER: 18},
    splits={"train": 857, "valid": 47, "test": 47},
)


def file_report(path: str) -> FileReport:
    """What is known about a file of examples."""
    why = "its name ends with .jsonl and it begins with '{'"
    return FileReport(path=path, format=Format.JSONL, why=why, bytes=412_000, schema="messages", rows=1000)


def report(path: str = "faq.jsonl", **more: Any) -> Report:
    """The report on one file of which most rows are kept."""
    facts: dict[str, Any] = {
        "sources": (file_report(path),),
        "problems": (),
        "rules": Rules(),
        "counts": COUNTS,
        "examples": {
            Reason.NEAR_DUPLICATE: [
                Dropped(Source(path, 41), Reason.NEAR_DUPLICATE, f"nearly the same as {path}:7"),
            ],
            Reason.SHORT_ANSWER: [Dropped(Source(path, 12), Reason.SHORT_ANSWER, "'Yes.'")],
        },
        "groups": 12,
        "personal": (Found(kind=Kind.EMAIL, matches=9, action=Action.MASK),),
        "languages": {"en": 900, "hi": 51},
        "tokens": None,
    }
    return Report(**{**facts, **more})


def measured(model: str) -> Tokens:
    """Lengths of the report's rows."""
    one = TokenStatistics(
        rows=857, min=9, median=61, p95=212, max=3010, total=64_100, over_context_rows=1, cut_share=0.01
    )
    return Tokens(model=model, context_tokens=2048, splits=dict.fromkeys(SPLITS, one))


def manifest(name: str, path: str = "faq.jsonl", **more: Any) -> Manifest:
    """A dataset made of one file."""
    found = report(path)
    facts: dict[str, Any] = {
        "format_version": 1,
        "name": name,
        "created": "2026-11-22T07:30:00+00:00",
        "dataset_hash": "a" * 64,
        "splits": {
            split: SplitFile(file=f"{split}.jsonl", rows=rows, bytes=1, sha256="b" * 64)
            for split, rows in found.counts.splits.items()
        },
    }
    kept = ("sources", "rules", "counts", "groups", "personal", "languages", "tokens")
    return Manifest(**{**facts, **{field: getattr(found, field) for field in kept}, **more})


def chat_line(question: str, answer: str, source: str = "faq.jsonl", line: int = 1) -> dict[str, Any]:
    """A row of a split file."""
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"id": "0" * 16, "messages": messages, "source": {"file": source, "line": line}}


def dropped_line(reason: str, detail: str, line: int) -> dict[str, Any]:
    """A row of the dropped ones."""
    return {"source": {"file": "faq.jsonl", "line": line}, "reason": reason, "detail": detail}


def write_dataset(folder: Path, name: str, files: Mapping[str, Sequence[Mapping[str, Any]]]) -> Dataset:
    """A dataset with these rows by split (and `dropped`), in a folder of its own."""
    place = folder / name
    place.mkdir(parents=True)
    for split in (*SPLITS, "dropped"):
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in files.get(split, ())]
        (place / (DROPPED if split == "dropped" else f"{split}.jsonl")).write_text("".join(lines), encoding="utf-8")
    rows = {split: len(files.get(split, ())) for split in SPLITS}
    found = manifest(name)
    dropped = len(files.get("dropped", ()))
    counts = Counts(read=sum(rows.values()) + dropped, kept=sum(rows.values()), dropped={}, splits=rows)
    splits = {split: changed(found.splits[split], rows=rows[split]) for split in SPLITS}
    return Dataset(place, changed(found, counts=counts, splits=splits))


class FakeDatasets:
    """Datasets in memory; `reports` says what a check finds, `hold` keeps checks and builds waiting."""

    def __init__(self) -> None:
        self.kept: dict[str, Dataset] = {}
        self.unreadable: list[Damaged] = []
        self.report: Report | Exception = report()
        self.failure: Exception | None = None
        """What ends a build."""
        self.asked: list[dict[str, Any]] = []
        """Every check and build, in order, with its arguments."""
        self.hold: threading.Event | None = None
        self.was_stopped = False
        """Whether whoever watched the work ended it."""

    async def check(self, files: Sequence[str | Path], **options: Any) -> Report:
        self.asked.append({"files": list(files), **options})
        await self._work(options["on_event"])
        if isinstance(self.report, Exception):
            raise self.report
        model = options.get("model")
        return changed(self.report, tokens=measured(model)) if model else self.report

    async def build(self, files: Sequence[str | Path], name: str, **options: Any) -> Dataset:
        self.asked.append({"files": list(files), "name": name, **options})
        await self._work(options["on_event"])
        if self.failure is not None:
            raise self.failure
        self.kept[name] = Dataset(Path("/datasets") / name, manifest(name))
        return self.kept[name]

    async def _work(self, on_event: Callable[[JobEvent], None]) -> None:
        def work() -> None:
            on_event(Progressed(done=400, rate=2000, note="reading faq.jsonl"))
            while self.hold is not None and not self.hold.wait(0.01):
                try:
                    on_event(Progressed(done=12_000, rate=2000, note="reading faq.jsonl"))
                except Exception:
                    self.was_stopped = True
                    raise

        await asyncio.to_thread(work)

    async def list(self) -> Sequence[Manifest]:
        return [dataset.manifest for _, dataset in sorted(self.kept.items())]

    async def damaged(self) -> Sequence[Damaged]:
        return self.unreadable

    async def show(self, name: str) -> Dataset:
        if name not in self.kept:
            raise DatasetNotFound(f"There is no dataset named {name!r}.")
        return self.kept[name]

    async def remove(self, name: str) -> None:
        del self.kept[name]
