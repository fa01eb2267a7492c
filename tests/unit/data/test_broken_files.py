"""Broken files: each ends in an error or a report that names file and line, and leaves nothing behind."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgellm.data.lines import LINE_LIMIT_BYTES
from edgellm.data.sources import FileSource
from edgellm.errors import DataRejected
from tests.unit.data.harness import built, drops, fact, jsonl, report_on, split_bytes

GOOD = json.dumps(fact(1))
HEADER = "prompt,completion\nWhere is it?,It is up north.\n"


def _text(content: str | bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return make


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", HEADER)


def _dangling(path: Path) -> None:
    path.mkdir()
    (path / "good.md").write_text("A harbour has a light at each side of its entrance.")
    (path / "gone.md").symlink_to(path / "nowhere.md")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


REFUSED: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "empty": ("a.jsonl", _text(""), "is empty"),
    "only blanks": ("a.csv", _text(" \n\n\t\n"), "is empty"),
    "only a mark": ("a.csv", _text(b"\xef\xbb\xbf"), "is empty"),
    "bad UTF-8": ("a.jsonl", _text(GOOD.encode() + b'\n{"prompt": "\xff"}\n'), "a.jsonl:2: .* not UTF-8: byte 0xFF"),
    "bad UTF-8 in a list": ("a.json", _text(b'[{"prompt":\n "\xff"}]'), "a.json:2: .* not UTF-8"),
    "UTF-16": ("a.csv", _text(HEADER.encode("utf-16")), "UTF-16"),
    "long line": (
        "a.jsonl",
        _text(GOOD + "\n" + "x" * (LINE_LIMIT_BYTES + 2_000_000)),
        "a.jsonl:2: .* longer than 8 MiB",
    ),
    "mixed schemas": ("a.jsonl", _text(GOOD + '\n{"instruction": "a", "output": "b"}\n'), "a.jsonl:2: .* Alpaca"),
    "two schemas in one": ("a.jsonl", _text('{"messages": [], "prompt": "a", "completion": "b"}'), "a.jsonl:1: both"),
    "NUL byte": ("a.csv", _text(HEADER + "a\0b,c\n"), "a.csv:3: .* NUL"),
    "no object first": ("a.jsonl", _text('{"prompt": \n'), "a.jsonl:1"),
    "no known fields": ("a.jsonl", _text('{"a": 1, "b": {"c": [[[]]]}}'), "a.jsonl:1: .*'a', 'b'"),
    "broken list": ("a.json", _text('[{"prompt": "a"},\n {"prompt"'), "a.json:2"),
    "huge field": ("a.csv", _text(HEADER + f'"{"x" * 200_000}",b\n'), "a.csv:3: .* longer than 131,072"),
    "open quote": ("a.csv", _text(HEADER + 'a,"b\nc,d\ne,f\n'), "a.csv:3: .* never closed"),
    "stray quote": ("a.csv", _text(HEADER + 'a,"b"c"\n'), "a.csv:3: .* no valid CSV"),
    "missing columns": ("a.csv", _text("question,remark\na,b\n"), "a.csv:1: .*'question', 'remark'"),
    "no header": ("a.csv", _text("Where is it?,It is up north.\n"), "a.csv:1"),
    "zip named csv": ("a.csv", _zip, "a.csv: .* zip archive"),
    "gzip named jsonl": ("a.jsonl", _text(gzip.compress(GOOD.encode())), "a.jsonl: .* gzip"),
    "PDF": ("a.txt", _text("%PDF-1.7"), "a.txt: .* PDF"),
    "no Parquet": ("a.parquet", _text(HEADER), "a.parquet: .* PAR1"),
    "dangling link in a folder": ("a", _dangling, r"a/gone\.md: the file cannot be read: No such file"),
    "empty folder": ("a", Path.mkdir, "no .txt or .md"),
    "pipe": ("a.jsonl", os.mkfifo, "no regular file"),
    "loop of links": ("a.jsonl", _loop, "cannot be read"),
    "absent": ("a.jsonl", lambda _: None, "cannot be read: No such file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_broken_file_is_refused_by_name_and_leaves_nothing(tmp_path: Path, case: str) -> None:
    name, make, said = REFUSED[case]
    path = tmp_path / name
    make(path)
    home = tmp_path / "datasets"
    with pytest.raises(DataRejected, match=said) as refused:
        built(home, path)
    assert refused.value.facts["file"]
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("case", REFUSED)
def test_a_check_reports_a_broken_file_and_reads_the_others(tmp_path: Path, case: str) -> None:
    name, make, _ = REFUSED[case]
    path = tmp_path / name
    make(path)
    other = jsonl(tmp_path / "other.jsonl", [fact(2), fact(3)])
    report = report_on(path, other)
    [problem] = report.problems
    assert name in problem.message
    assert not report.can_be_built
    assert report.counts.kept >= 2


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = jsonl(tmp_path / "a.jsonl", [fact(1)])
    really_open = os.open

    def refuse(name: str | Path, *arguments: int, **named: int) -> int:
        if Path(name) == path:  # root is refused nothing by the system itself
            raise PermissionError(13, "Permission denied")
        return really_open(name, *arguments, **named)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DataRejected, match=r"a\.jsonl: .* Permission denied"):
        built(tmp_path / "datasets", path)


def test_a_file_that_is_written_to_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [fact(number) for number in range(3)])
    records = FileSource(path).records()
    next(records)
    with path.open("a") as handle:
        handle.write(GOOD + "\n")
    with pytest.raises(DataRejected, match="changed while it was read"):
        list(records)


DAMAGED: dict[str, tuple[str, str, list[tuple[int, str]]]] = {
    "cut last line": ("a.jsonl", GOOD + '\n{"prompt": "a", "compl', [(2, "malformed")]),
    "wrong types": ("a.jsonl", GOOD + '\n{"prompt": 1, "completion": ["a"]}\n', [(2, "wrong_types")]),
    "nested junk": ("a.jsonl", GOOD + "\n" + '{"prompt": ' + "[" * 3000 + "\n", [(2, "malformed")]),
    "NUL in a text": ("a.jsonl", GOOD + '\n{"prompt": "a\\u0000", "completion": "b c"}\n', [(2, "control_characters")]),
    "missing field": ("a.jsonl", GOOD + '\n{"prompt": "a"}\n', [(2, "malformed")]),
    "column count": ("a.csv", HEADER + "a\nb,c,d\n", [(3, "malformed"), (4, "malformed")]),
    "lone surrogate": ("a.jsonl", GOOD + '\n{"prompt": "\\ud800 a", "completion": "b c"}\n', [(2, "malformed")]),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_rows_are_listed_and_the_rest_is_kept(tmp_path: Path, case: str) -> None:
    name, content, expected = DAMAGED[case]
    path = tmp_path / name
    path.write_text(content)
    dataset = built(tmp_path / "datasets", path)
    assert [(drop["source"]["line"], drop["reason"]) for drop in drops(dataset)] == expected
    assert dataset.manifest.counts.kept == 1


def test_a_cut_last_line_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(GOOD + '\n{"prompt": "a", "compl')
    [drop] = drops(built(tmp_path / "datasets", path))
    assert "cut off?" in drop["detail"]


def test_only_duplicates_leave_one_row(tmp_path: Path) -> None:
    dataset = built(tmp_path / "datasets", jsonl(tmp_path / "a.jsonl", [fact(1)] * 30))
    assert dataset.manifest.counts.kept == 1
    assert {drop["reason"] for drop in drops(dataset)} == {"exact_duplicate"}


def test_when_nothing_is_left_it_is_an_error_with_the_first_reason(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"prompt": "Yes?", "completion": ""}] * 3)
    with pytest.raises(DataRejected, match=r"No row is left of 3 .* First: .*a\.jsonl:1"):
        built(tmp_path / "datasets", path)
    assert list((tmp_path / "datasets").iterdir()) == []


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_marks_and_windows_line_ends_are_accepted_and_noted(tmp_path: Path, name: str, mark: str, newline: str) -> None:
    content = HEADER if name == "a.csv" else GOOD + "\n"
    path = tmp_path / name
    path.write_bytes((mark + content.replace("\n", newline)).encode())
    plain = tmp_path / "plain" / name
    plain.parent.mkdir()
    plain.write_text(content)
    dataset = built(tmp_path / "datasets", path)
    notes = " ".join(dataset.manifest.sources[0].notes)
    assert ("byte-order mark" in notes) == bool(mark)
    assert ("CRLF" in notes) == (newline == "\r\n")
    expected = split_bytes(built(tmp_path / "datasets", plain, name="plain"))
    here = {split: data.replace(b"/plain/", b"/") for split, data in expected.items()}
    assert split_bytes(dataset) == here
