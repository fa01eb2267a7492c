"""Datasets on disk: the contract of the folder, and nothing half-written."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgellm.data.build import Target, build
from edgellm.data.dataset import open_dataset
from edgellm.data.examine import Tools
from edgellm.data.rows import ChatRow, Reason, TextRow
from edgellm.data.rules import Action, Kind, Rules
from edgellm.data.sources import ChatSource, Conversation, FileSource
from edgellm.errors import DataRejected, DiskFull, InvalidInput, StoreError
from edgellm.events import JobEvent, Progressed, Started
from edgellm.train.settings import TrainSettings
from edgellm.types import Message
from tests.unit.data.harness import TOOLS, built, built_of, chat, drops, fact, jsonl, question, quiet, report_on


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    return jsonl(tmp_path / "facts.jsonl", [fact(number) for number in range(60)])


def test_a_file_whose_name_is_no_text_is_read(tmp_path: Path, facts: Path) -> None:
    odd = facts.rename(facts.with_name(os.fsdecode(b"facts\xff.jsonl")))
    dataset = built(tmp_path / "datasets", odd, name="harbour")
    assert next(dataset.rows("train")).source.file.endswith("facts\ufffd.jsonl")


def test_the_folder_is_what_the_manifest_says(tmp_path: Path, facts: Path) -> None:
    dataset = built(tmp_path / "datasets", facts, name="harbour")
    files = sorted(path.name for path in dataset.folder.iterdir())
    assert files == ["card.md", "dropped.jsonl", "manifest.json", "test.jsonl", "train.jsonl", "valid.jsonl"]
    manifest = json.loads((dataset.folder / "manifest.json").read_bytes())
    assert manifest["format_version"] == 1
    assert manifest["name"] == "harbour"
    [source] = manifest["sources"]
    assert source["path"] == str(facts)
    assert source["sha256"] == hashlib.sha256(facts.read_bytes()).hexdigest()
    assert (source["rows"], source["bytes"], source["format"]) == (60, facts.stat().st_size, "jsonl")
    assert manifest["counts"]["read"] == 60
    for name, split in manifest["splits"].items():
        content = (dataset.folder / f"{name}.jsonl").read_bytes()
        assert split["sha256"] == hashlib.sha256(content).hexdigest()
        assert split["rows"] == content.count(b"\n") == manifest["counts"]["splits"][name]
    assert manifest["dataset_hash"] == open_dataset(dataset.folder).manifest.dataset_hash


def test_a_row_is_what_the_trainer_expects(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [question("Where?", "Up north.")])
    dataset = built(tmp_path / "datasets", path)
    row = json.loads((dataset.folder / "train.jsonl").read_bytes())
    assert row["messages"] == [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "Up north."}]
    assert row["source"] == {"file": str(path), "line": 1}
    assert len(row["id"]) == 16
    [read] = open_dataset(dataset.folder).rows("train")
    assert isinstance(read, ChatRow)
    assert (read.id, read.messages, read.source.line) == (row["id"], chat("Where?", "Up north."), 1)


def test_texts_become_text_rows(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Harbour\n\nIt was dug by hand.\n")
    [row] = built(tmp_path / "datasets", tmp_path / "a.md").rows("train")
    assert isinstance(row, TextRow)
    assert row.text == "# Harbour\n\nIt was dug by hand."


def test_own_chats_become_rows(tmp_path: Path) -> None:
    source = ChatSource("chats", [Conversation("session a", chat("Where?", "Up north.")), Conversation("b", chat("a"))])
    dataset = built_of([source], tmp_path / "datasets")
    [row] = dataset.rows("train")
    assert str(row.source) == "session a:1"
    assert drops(dataset)[0]["source"] == {"file": "b", "line": 2}


def test_everything_is_private(tmp_path: Path, facts: Path) -> None:
    folder = built(tmp_path / "datasets", facts).folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_taken_name_is_refused_unless_replaced(tmp_path: Path, facts: Path) -> None:
    home = tmp_path / "datasets"
    first = built(home, facts)
    with pytest.raises(InvalidInput, match="already") as refused:
        built(home, facts)
    assert refused.value.facts["remedy"] == "replace"
    other = jsonl(tmp_path / "other.jsonl", [fact(99)])
    target = Target(home=home, name="made", replace=True)
    second = build([FileSource(other)], target, Rules(), TOOLS, quiet)
    assert open_dataset(second.folder).manifest.dataset_hash != first.manifest.dataset_hash
    assert [path.name for path in home.iterdir()] == ["made"]


def test_a_failed_replacement_keeps_the_old_one(tmp_path: Path, facts: Path) -> None:
    home = tmp_path / "datasets"
    first = built(home, facts)
    with pytest.raises(DataRejected):
        build([FileSource(tmp_path / "none")], Target(home=home, name="made", replace=True), Rules(), TOOLS, quiet)
    assert open_dataset(first.folder).manifest == first.manifest
    assert [path.name for path in home.iterdir()] == ["made"]


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "a/b", ".hidden", "a" * 65, "a\n", "-x"])
def test_names_are_plain(tmp_path: Path, facts: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="no name"):
        built(tmp_path / "datasets", facts, name=name)
    assert not (tmp_path / "datasets").exists()


@pytest.mark.parametrize("failing", ["train.jsonl", "dropped.jsonl", "manifest.json", "card.md", "rows.part"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, facts: Path, failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    really_open = os.open

    def full(name: str | Path, *arguments: int, **named: int) -> int:
        if Path(name).name == failing:
            raise OSError(28, "No space left on device", str(name))
        return really_open(name, *arguments, **named)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(DiskFull, match="No space is left"):
        built(tmp_path / "datasets", facts)
    assert list((tmp_path / "datasets").iterdir()) == []


def test_what_killed_builders_left_is_removed_and_put_back(tmp_path: Path, facts: Path) -> None:
    home = tmp_path / "datasets"
    first = built(home, facts, name="kept")
    first.folder.rename(home / ".kept.replaced")  # killed between the two renames
    old = home / ".old.1-1.part"
    fresh = home / ".fresh.2-2.part"
    for folder in (old, fresh):
        folder.mkdir()
    os.utime(old, (time.time() - 7200,) * 2)
    built(home, facts, name="new")
    assert sorted(path.name for path in home.iterdir()) == [".fresh.2-2.part", "kept", "new"]
    assert open_dataset(home / "kept").manifest == first.manifest


@dataclass(frozen=True)
class CountWords:
    """A measure that counts words, one more for each message."""

    model: str = "words"

    def __call__(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content.split()) + 1 for message in messages)

    def text(self, text: str) -> int:
        return len(text.split())


MEASURED = Tools(detect_language=TOOLS.detect_language, measure=CountWords())


def test_lengths_are_measured_per_split(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [question("one two", "word " * 18), question("three four", "a b")])
    tokens = report_on(path, rules=Rules(context_tokens=16), tools=MEASURED).tokens
    assert tokens is not None
    assert (tokens.model, tokens.context_tokens) == ("words", 16)
    found = tokens.splits["train"]
    assert (found.rows, found.min, found.max, found.total) == (2, 6, 22, 28)
    assert (found.over_context_rows, found.cut_share) == (1, 6 / 28)
    assert tokens.splits["valid"].rows == tokens.splits["valid"].max == 0


def test_of_a_long_text_nothing_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("word " * 40)
    tokens = report_on(path, rules=Rules(context_tokens=16), tools=MEASURED).tokens
    assert tokens is not None
    found = tokens.splits["train"]
    assert (found.rows, found.max, found.over_context_rows, found.cut_share) == (1, 40, 0, 0.0), "it is read in pieces"


def test_what_is_measured_against_is_what_a_run_reads() -> None:
    assert Rules().context_tokens == TrainSettings().context_tokens


def test_long_rows_are_dropped_on_request(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [question("one two", "word " * 18), question("three four", "a b")])
    report = report_on(path, rules=Rules(context_tokens=16, long_rows="drop"), tools=MEASURED)
    assert report.counts.dropped == {"too_long": 1}
    with pytest.raises(InvalidInput, match="model"):
        report_on(path, rules=Rules(long_rows="drop"))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"languages": ("en", "english")}, "'english' is no language that is recognised"),
        ({"languages": ("EN",)}, "'EN' is no language"),
        ({"context_tokens": 0}, "context_tokens is 0; it goes from 16 to 16,777,216"),
        ({"valid_share": 0.9}, "valid_share is 0.9; it goes from 0.0 to 0.4"),
    ],
)
def test_rules_out_of_range_are_refused(rules: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Rules(**rules)


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path, facts: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"Datasets cannot be kept in .*file/datasets.*EDGELLM_HOME"):
        built(tmp_path / "file" / "datasets", facts)


def test_other_languages_are_dropped_on_request(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [question("Where?", "Up north."), question("कहाँ?", "उत्तर की ओर।")])
    assert report_on(path).languages == {"en": 1, "hi": 1}
    assert report_on(path, rules=Rules(languages=("hi",))).counts.dropped == {"language": 1}


def test_masks_and_duplicates_meet(tmp_path: Path) -> None:
    rows = [question("Mail?", "To ada@example.com please."), question("Mail?", "To bob@example.com please.")]
    dataset = built(tmp_path / "datasets", jsonl(tmp_path / "a.jsonl", rows))
    assert dataset.manifest.counts.dropped == {"exact_duplicate": 1}
    assert [(found.kind, found.matches) for found in dataset.manifest.personal] == [(Kind.EMAIL, 2)]
    kept = built(
        tmp_path / "datasets", tmp_path / "a.jsonl", name="kept", rules=Rules(personal={Kind.EMAIL: Action.KEEP})
    )
    assert kept.manifest.counts.kept == 2


def test_near_duplicates_can_be_kept(tmp_path: Path) -> None:
    text = "the harbour was dug by hand over nine long summers and opened when the last stone was laid"
    rows = [question("Tell me.", text), question("Tell me!", text + ", so they say")]
    path = jsonl(tmp_path / "a.jsonl", rows)
    assert report_on(path).counts.dropped == {"near_duplicate": 1}
    kept = report_on(path, rules=Rules(near_duplicates="keep"))
    assert (kept.counts.kept, kept.groups) == (2, 1)


def test_a_report_shows_three_examples_of_each_reason(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [fact(1), *[question(f"{number}?", "") for number in range(9)]])
    report = report_on(path)
    assert report.counts.dropped == {"empty": 9}
    assert [drop.source.line for drop in report.examples[Reason.EMPTY]] == [2, 3, 4]


def test_the_card_is_readable_and_harmless(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a|b\x1b[2J.jsonl", [fact(1), question("Yes?", "No")])
    card = (built(tmp_path / "datasets", path).folder / "card.md").read_text(encoding="utf-8")
    assert "\x1b" not in card
    assert "a\\|b" in card
    assert "| answer of one word | 1 |" in card
    assert "Of 2 rows that were read" in card
    assert "context of 1,024 tokens: keep" in card
    assert "phone numbers: those with a country code alone" in card
    rules = Rules(phone_region="IN")
    national = build([FileSource(path)], Target(home=tmp_path / "datasets", name="national"), rules, TOOLS, quiet)
    assert "and national ones of IN" in (national.folder / "card.md").read_text(encoding="utf-8")


def test_progress_is_told(tmp_path: Path, facts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgellm.data.examine.EVENT_PAUSE_S", 0.0)
    events: list[JobEvent] = []
    target = Target(home=tmp_path / "datasets", name="made")
    build([FileSource(facts)], target, Rules(), TOOLS, events.append)
    assert isinstance(events[0], Started)
    done = [event.done for event in events if isinstance(event, Progressed)]
    assert done == sorted(done)
    assert done[-1] == 60
