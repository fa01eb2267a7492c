"""Examples on disk, and datasets made of them without a language model or detector."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgellm.data.build import Target, build, check
from edgellm.data.dataset import Dataset
from edgellm.data.examine import Tools
from edgellm.data.report import Report
from edgellm.data.rows import Dropped, Example, Record
from edgellm.data.rules import Rules
from edgellm.data.schemas import Part
from edgellm.data.sources import AnySource, FileSource
from edgellm.events import JobEvent
from edgellm.types import Message

TOOLS = Tools(detect_language=lambda text: "en" if text.isascii() else "hi")
WORDS = tuple("amber birch cedar delta ember fjord grove heath islet jetty knoll lagoon marsh notch oasis reef".split())  # noqa: SIM905


def read(path: Path, columns: Mapping[Part, str] | None = None) -> list[Record]:
    """Every record of a file."""
    return list(FileSource(path, columns).records())


def turns(record: Record) -> list[tuple[str, str]]:
    """Role and content of an example's messages."""
    assert isinstance(record, Example), record
    return [(message.role, message.content) for message in record.messages]


def reasons(records: Sequence[Record]) -> list[str]:
    """The reason of every dropped record, with its line."""
    return [f"{each.source.line} {each.reason}" for each in records if isinstance(each, Dropped)]


def question(prompt: str, answer: str) -> dict[str, str]:
    """One row of a JSONL file."""
    return {"prompt": prompt, "completion": answer}


def fact(number: int) -> dict[str, str]:
    """A row that is like no other one: words chosen by its number."""
    picked = [WORDS[number // 16**place % 16] for place in range(4)]
    return question(
        f"Where does {' '.join(picked)} number {number} lie?",
        f"It lies {number * 7919 % 9973} steps from {' and '.join(reversed(picked))}, near post {number * 31}.",
    )


def jsonl(path: Path, rows: Sequence[Any]) -> Path:
    """Write rows, one a line."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def chat(*contents: str) -> tuple[Message, ...]:
    """A conversation whose turns alternate."""
    return tuple(
        Message(role="assistant" if at % 2 else "user", content=content) for at, content in enumerate(contents)
    )


def quiet(_: JobEvent) -> None:
    """Nobody listens."""


def report_on(*paths: Path, rules: Rules | None = None, tools: Tools = TOOLS) -> Report:
    """The check report of files."""
    return check([FileSource(path) for path in paths], rules or Rules(), tools, quiet)


def built(home: Path, *paths: Path, name: str = "made", rules: Rules | None = None) -> Dataset:
    """A dataset of files."""
    return built_of([FileSource(path) for path in paths], home, name, rules)


def built_of(sources: Sequence[AnySource], home: Path, name: str = "made", rules: Rules | None = None) -> Dataset:
    """A dataset of sources."""
    return build(sources, Target(home=home, name=name), rules or Rules(), TOOLS, quiet)


def split_bytes(dataset: Dataset) -> dict[str, bytes]:
    """The content of every split's file."""
    return {name: (dataset.folder / split.file).read_bytes() for name, split in dataset.manifest.splits.items()}


def drops(dataset: Dataset) -> list[dict[str, Any]]:
    """What dropped.jsonl lists."""
    return [json.loads(line) for line in (dataset.folder / "dropped.jsonl").read_bytes().splitlines()]
