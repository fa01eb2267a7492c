"""Files are read in limited children: a bad one fails alone, with its reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from edgellm.errors import InvalidInput, ParseFailed
from edgellm.limited import Ended, Limits
from edgellm.retrieval.parse import files
from edgellm.retrieval.parse.child import OUT_OF_MEMORY
from edgellm.retrieval.parse.files import parse_file, parse_files
from edgellm.retrieval.values import Document
from tests.unit.retrieval import hostile

pytest.importorskip("selectolax")
SMALL = Limits(memory_bytes=1024**3, wall_s=20, output_bytes=2000)


def test_a_file_becomes_a_document(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Title\n\nText.", encoding="utf-8")
    found = parse_file(tmp_path / "a.md")
    assert (found.kind, found.text, len(found.blocks)) == ("markdown", "Title\n\nText.", 2)


def test_a_failure_names_the_file_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").touch()
    with pytest.raises(ParseFailed, match=r"a\.pdf: the file is empty\.") as caught:
        parse_file(tmp_path / "a.pdf")
    assert isinstance(caught.value, InvalidInput)
    assert caught.value.facts == {"path": str(tmp_path / "a.pdf"), "reason": "the file is empty", "may_pass": False}


def test_every_file_has_its_answer_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BATCH_FILES", 3)
    names = [f"{at}.txt" for at in range(7)]
    for name in names:
        (tmp_path / name).write_text(f"text of {name}", encoding="utf-8")
    (tmp_path / "3.txt").unlink()
    monkeypatch.chdir(tmp_path)
    found = list(parse_files(names))
    assert [each.text if isinstance(each, Document) else each.facts["reason"] for each in found] == [
        "the file cannot be read: No such file or directory" if name == "3.txt" else f"text of {name}" for name in names
    ]


def test_a_child_that_is_full_is_followed_by_another(tmp_path: Path) -> None:
    paths = [tmp_path / f"{at}.txt" for at in range(5)]
    for path in paths:
        path.write_text("word " * 200, encoding="utf-8")
    assert [isinstance(each, Document) for each in parse_files(paths, SMALL)] == [True] * 5


def test_a_document_that_is_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("word " * 2000, encoding="utf-8")
    with pytest.raises(ParseFailed, match="what it holds takes more than"):
        parse_file(tmp_path / "a.txt", SMALL)


def test_memory_is_limited(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"word " * 6_000_000)
    with pytest.raises(ParseFailed, match=r"needs more than .* of memory"):
        parse_file(tmp_path / "a.txt", Limits(memory_bytes=150 * 1024**2, wall_s=20))


def test_time_is_limited(tmp_path: Path) -> None:
    slide = f"<x>{'<y/>' * 20_000}</x>"
    (tmp_path / "a.pptx").write_bytes(hostile.pptx(3000, slide))
    with pytest.raises(ParseFailed, match="took more than 1 s"):
        parse_file(tmp_path / "a.pptx", Limits(memory_bytes=1024**3, wall_s=1))


def test_a_file_that_crashes_the_reader_is_tried_again_alone_and_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([
        Ended(-11, '{"reason":"one"}\n{"reas', ""), Ended(-11, "", ""), Ended(7, "", "a line\nlast words"),
    ])  # fmt: skip
    monkeypatch.setattr(files, "run_limited", lambda *_: next(answers))
    found = [str(each) for each in parse_files(["a", "b", "c"])]
    assert found == [
        "a: one.", "b: reading it crashed the reader (SIGSEGV).", "c: the reader ended with exit code 7: last words.",
    ]  # fmt: skip
    assert next(answers, None) is None


def test_large_files_are_read_by_fewer_children(tmp_path: Path) -> None:
    paths = [tmp_path / str(at) for at in range(4)]
    for path in paths:
        path.touch()
        os.truncate(path, files.BATCH_BYTES // 2)
    assert [files._batch(paths[at:]) for at in range(4)] == [2, 2, 2, 1]
    os.truncate(paths[0], files.BATCH_BYTES * 2)
    assert files._batch(paths) == 1


def test_libraries_that_read_formats_stay_in_the_child() -> None:
    heavy = {"pypdf", "openpyxl", "selectolax", "markdown_it"}
    code = f"import sys, edgellm.retrieval.parse.files; sys.exit(bool({heavy!r} & set(sys.modules)))"
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0


@pytest.mark.parametrize(
    ("ended", "may_pass"),
    [
        (Ended(0, '{"reason":"it is encrypted"}\n', ""), False),
        (Ended(0, '{"reason":"reading it needs pypdf","may_pass":true}\n', ""), True),
        (Ended(-14, "", ""), True),  # SIGALRM: the machine may have been busy
        (Ended(OUT_OF_MEMORY, "", ""), False),
    ],
)
def test_a_failure_says_whether_it_may_pass(monkeypatch: pytest.MonkeyPatch, ended: Ended, may_pass: bool) -> None:
    monkeypatch.setattr(files, "run_limited", lambda *_: ended)
    (found,) = parse_files(["a"])
    assert isinstance(found, ParseFailed)
    assert found.facts["may_pass"] is may_pass


def test_what_fails_for_want_of_a_library_may_pass(tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    page.write_text("<html><p>x")
    code = (
        "import sys; sys.modules['selectolax'] = None; from edgellm.retrieval.parse.child import main;"
        f"main(['20', '100000', {os.fsencode(page).hex()!r}])"
    )
    with (tmp_path / "said").open("wb") as said:
        subprocess.run([sys.executable, "-c", code], stdout=said, check=True, timeout=60)
    answer = msgspec.json.decode((tmp_path / "said").read_bytes())
    assert answer["may_pass"] is True
    assert answer["reason"].endswith("install it with: pip install 'edgellm[docs]'")
