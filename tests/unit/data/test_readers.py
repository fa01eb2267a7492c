"""Each format and schema, read as it is meant, and what is detected is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgellm.data.detect import detect
from edgellm.data.rows import Example, Source
from edgellm.data.schemas import chosen_columns
from edgellm.data.sources import ChatSource, Conversation, FileSource
from edgellm.data.text_reader import LONGEST_CHARS
from edgellm.errors import DataRejected
from edgellm.types import Message
from tests.unit.data.harness import chat, fact, jsonl, read, reasons, turns

QA = [("user", "Where?"), ("assistant", "Up north.")]


@pytest.mark.parametrize(
    ("row", "schema", "expected"),
    [
        ({"prompt": "Where?", "completion": "Up north."}, "prompt and completion", QA),
        ({"Question": "Where?", "Answer": "Up north."}, "question and answer", QA),
        ({"instruction": "Where?", "input": "", "output": "Up north."}, "Alpaca", QA),
        (
            {"instruction": "Translate.", "input": "Norden", "output": "The north."},
            "Alpaca",
            [("user", "Translate.\n\nNorden"), ("assistant", "The north.")],
        ),
        (
            {"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "Up north."}]},
            "messages",
            QA,
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "Where?"}]}, {"role": "assistant", "content": "Up north."}]},  # noqa: E501
            "messages",
            QA,
        ),
        (
            {"system": "Be brief.", "conversations": [{"from": "human", "value": "Where?"}, {"from": "gpt", "value": "Up north."}]},  # noqa: E501
            "ShareGPT",
            [("system", "Be brief."), *QA],
        ),
        (
            {"system": "Be brief.", "prompt": "Where?", "response": "Up north."},
            "question and answer",
            [("system", "Be brief."), *QA],
        ),
    ],
)  # fmt: skip
def test_every_schema_becomes_the_same_conversation(
    tmp_path: Path, row: dict[str, Any], schema: str, expected: list[tuple[str, str]]
) -> None:
    source = FileSource(jsonl(tmp_path / "a.jsonl", [row]))
    [record] = source.records()
    assert turns(record) == expected
    assert source.report.schema.startswith(schema)
    assert source.report.rows == 1


def test_plain_text_rows(tmp_path: Path) -> None:
    [record] = read(jsonl(tmp_path / "a.jsonl", [{"text": "Once upon a time."}]))
    assert record == Example(Source(str(tmp_path / "a.jsonl"), 1), text="Once upon a time.")


def test_a_json_list_names_the_line_of_each_row(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([fact(1), fact(2)], indent=2))
    assert [record.source.line for record in read(path)] == [2, 6]


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"\n{json.dumps(fact(1))}\n\n{json.dumps(fact(2))}\n")
    assert [record.source.line for record in read(path)] == [2, 4]


@pytest.mark.parametrize(("name", "separator"), [("a.csv", ","), ("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", "\t")])
def test_tables_with_each_separator(tmp_path: Path, name: str, separator: str) -> None:
    path = tmp_path / name
    path.write_text(separator.join(["id", "question", "answer"]) + "\n" + separator.join(["1", "Where?", "Up north."]))
    source = FileSource(path)
    [record] = source.records()
    assert turns(record) == QA
    assert any("not used: id" in note for note in source.report.notes)


def test_quoted_fields_keep_separators_quotes_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('prompt,completion\n"One,\ntwo?","She said ""three""."\nFour?,Five it is.\n')
    first, second = read(path)
    assert turns(first) == [("user", "One,\ntwo?"), ("assistant", 'She said "three".')]
    assert (first.source.line, second.source.line) == (2, 4)


def test_columns_are_chosen_by_the_user(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Frage,Antwort,Ton\nWhere?,Up north.,Be brief.\n")
    columns = chosen_columns("prompt=Frage,completion=Antwort,system=Ton")
    [record] = read(path, columns)
    assert turns(record) == [("system", "Be brief."), *QA]


@pytest.mark.parametrize("text", ["question=Frage,answer=Antwort", "Prompt=Frage;Reply=Antwort"])
def test_parts_go_by_the_names_that_columns_may_have(text: str) -> None:
    assert chosen_columns(text) == {"prompt": "Frage", "completion": "Antwort"}


def test_columns_given_as_a_mapping_may_have_any_name() -> None:
    given = {"question": "Who, when = where?", "answer": "Antwort"}
    assert chosen_columns(given) == {"prompt": "Who, when = where?", "completion": "Antwort"}


@pytest.mark.parametrize(
    "text",
    ["prompt", "prompt=a", "topic=a,completion=b", "prompt=,completion=b", "text=a,prompt=b", "prompt=a,query=b"],
)
def test_columns_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(DataRejected, match="column"):
        chosen_columns(text)


def test_unknown_columns_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Frage,Antwort\nWhere?,Up north.\n")
    with pytest.raises(DataRejected, match=r"a\.csv:1: .*'Frage', 'Antwort'") as refused:
        read(path)
    assert refused.value.facts["remedy"] == "columns"


@pytest.mark.parametrize("header", ["question,prompt,answer", "question,question,answer", "question,answer;extra"])
def test_headers_with_two_meanings_are_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\na,b,c\n")
    if ";" in header:
        with pytest.raises(DataRejected, match=r"a\.csv:1"):
            read(path)
        return
    with pytest.raises(DataRejected, match=r"both be meant|twice"):
        read(path)


def test_single_bad_rows_are_dropped_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [
        json.dumps({"messages": [{"role": "user", "content": "a"}]}),
        "{broken",
        json.dumps({"messages": "text"}),
        json.dumps({"messages": [{"role": "wizard", "content": "a"}]}),
        json.dumps({"messages": []}),
        json.dumps({"messages": [{"role": "user", "content": None}]}),
        json.dumps({"messages": ["a"]}),
        json.dumps({"nothing": 1}),
        "7",
        "[" * 5000,
    ]
    path.write_text("\n".join(rows) + "\n")
    assert reasons(read(path)) == [
        "2 malformed", "3 wrong_types", "4 roles", "5 empty", "6 wrong_types", "7 wrong_types", "8 malformed",
        "9 malformed", "10 malformed",
    ]  # fmt: skip


def test_a_text_without_blank_lines_is_cut_at_a_line(tmp_path: Path) -> None:
    lines = [f"Line {number} of a long list.\n" for number in range(2000)]
    (tmp_path / "a.txt").write_text("".join(lines))
    records = read(tmp_path / "a.txt")
    texts = [record.text for record in records if isinstance(record, Example)]
    assert "".join(texts) == "".join(lines)
    assert max(map(len, texts)) < LONGEST_CHARS + 100
    assert [lines[record.source.line - 1] for record in records] == [text.split("\n")[0] + "\n" for text in texts]


def test_texts_are_cut_at_blank_lines(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / ".git" / "x.md").write_text("hidden")
    (folder / "deep" / "b.md").write_text("# Title\n\n" + "A sentence of some length. " * 200 + "\n\nThe end.\n")
    (folder / "a.txt").write_text("\nFirst line.\n")
    (folder / "c.pdf").write_text("not read")
    records = read(folder)
    assert [(Path(record.source.file).name, record.source.line) for record in records] == [
        ("a.txt", 2),
        ("b.md", 1),
        ("b.md", 5),
    ]
    assert all(isinstance(record, Example) and record.text for record in records)


def test_own_chats_are_a_source() -> None:
    source = ChatSource("chats (all)", [Conversation("session a", chat("Where?", "Up north."))])
    [record] = source.records()
    assert record == Example(
        Source("session a", 1),
        (Message(role="user", content="Where?"), Message(role="assistant", content="Up north.")),
    )
    assert source.report.rows == 1
    assert source.report.sha256


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("a.jsonl", "{}", "jsonl"),
        ("a.json", "{}", "jsonl"),
        ("a.json", "[]", "json"),
        ("a", '{"a": 1}', "jsonl"),
        ("a.data", " [1]", "json"),
        ("a.csv", "a,b", "csv"),
        ("a.txt", "[1] A footnote", "text"),
        ("a.md", "{curly} text", "text"),
    ],
)
def test_the_format_is_detected_and_explained(tmp_path: Path, name: str, content: str, format: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    detected = detect(path, name)
    assert detected.format == format
    assert detected.why


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", '{"prompt": 1}'),
        ("a.jsonl", "question,answer"),
        ("a.jsonl", "[{}]"),
        ("a.txt", '{"prompt": "x"}'),
        ("a.xyz", "question,answer"),
        ("a.parquet", "question"),
    ],
)
def test_a_name_that_disagrees_with_the_content_is_an_error(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(DataRejected, match=name):
        detect(path, name)
