"""Suites: files of questions and how their answers are scored.

TOML with a header and cases, inline (`[[case]]`), in a JSONL file beside it (`cases = "questions.jsonl"`), or made
from a table (`[make]`); a JSONL file alone is a suite with the defaults. The schema is in docs/evaluation.md.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from edgellm.errors import DataRejected, NotFound
from edgellm.evals.cases import DEFAULTS, MakeRows, Place, Row, read_cases
from edgellm.evals.safety.injection import injections
from edgellm.evals.safety.memory import rows_by_heart
from edgellm.evals.values import Case

SCHEMA = 1
MOST_BYTES = 64 * 1024**2
SHIPPED = Path(__file__).parent / "suites"
MAKERS: dict[str, MakeRows] = {"injection": injections, "memorised": rows_by_heart}
_HEADER = frozenset({"schema", "name", "version", "description", "cases", "case", "make"}) | DEFAULTS
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_CASE_LINE = re.compile(rb"\s*\[\[\s*case\s*\]\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Questions that are asked together and make one score."""

    name: str
    version: str
    description: str
    path: str
    sha256: str
    """Of the file, and of the files that its cases come from."""
    cases: tuple[Case, ...]


def find_suite(name: str, folder: Path) -> Path:
    """The file that a name on the command line means: a path, a suite of `folder`, or one that ships.

    Raises: NotFound with the nearest name.
    """
    given = Path(name).expanduser()
    if given.suffix in (".toml", ".jsonl"):
        if given.is_file():
            return given.absolute()
        raise NotFound(f"There is no suite file {name!r}.", hint="Check the path.", name=name)
    own, shipped = (_named(each) for each in (folder, SHIPPED))
    found = own.get(name) or shipped.get(name)
    if found is not None:
        return found.absolute()  # the job that reads it is somewhere else
    near = get_close_matches(name, [*own, *shipped], 1)
    hint = f"Did you mean {near[0]!r}?" if near else "See which there are: edgellm eval suites"
    raise NotFound(f"There is no suite named {name!r}.", hint=hint, name=name)


def suites_in(folder: Path) -> list[Path]:
    """The suite files of a folder, by name."""
    return [path for _, path in sorted(_named(folder).items())]


def read_suite(path: Path) -> Suite:
    """A suite with every case. Raises: DataRejected with file, line and field of what is wrong."""
    content = _bytes_of(path)
    if path.suffix == ".jsonl":
        header: dict[str, Any] = {"name": path.stem, "score": "contains"}
        rows = list(_json_rows(path, content))
        content_hash = hashlib.sha256(content)
    else:
        header = _header(path, content)
        rows, sources = _rows(path, header, content)
        content_hash = hashlib.sha256(content)
        for source in sources:
            content_hash.update(hashlib.sha256(source).digest())
    defaults = {key: header[key] for key in DEFAULTS if key in header}
    cases = read_cases(header["name"], rows, defaults)
    if not cases:
        raise DataRejected(f"{path} has no case.", hint="Add [[case]] tables with a prompt.", file=str(path))
    return Suite(
        name=header["name"],
        version=str(header.get("version", "")),
        description=str(header.get("description", "")),
        path=str(path),
        sha256=content_hash.hexdigest(),
        cases=cases,
    )


def _named(folder: Path) -> dict[str, Path]:
    """Suite files by name; a JSONL file that a TOML file of the same name reads is no suite of its own."""
    try:
        files = sorted(folder.iterdir(), reverse=True)
    except OSError:
        return {}
    found = {path.stem: path for path in files if path.suffix == ".jsonl" and path.is_file()}
    return found | {path.stem: path for path in files if path.suffix == ".toml" and path.is_file()}


def _bytes_of(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataRejected(f"{path} is larger than {MOST_BYTES // 1024**2} MiB.", file=str(path))
        return path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise DataRejected(f"{path} cannot be read: {error.strerror}.", file=str(path)) from error


def _header(path: Path, content: bytes) -> dict[str, Any]:
    try:
        found = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataRejected(f"{path} is no TOML: {error}.", file=str(path)) from error
    for key in found:
        if key not in _HEADER:
            near = get_close_matches(key, _HEADER, 1)
            hint = f"Did you mean {near[0]!r}?" if near else "Fields of a question belong below [[case]]."
            raise DataRejected(f"{path}: the key {key!r} is not known.", hint=hint, file=str(path), field=key)
    if found.get("schema") != SCHEMA:
        message = f"{path}: `schema` is {found.get('schema')!r}; this EdgeLLM reads {SCHEMA}."
        raise DataRejected(message, hint=f"Write `schema = {SCHEMA}`.", file=str(path), field="schema")
    name = found.setdefault("name", path.stem)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        message = f"{path}: `name` is {name!r}; letters, digits, - and _ make a name, at most 64."
        raise DataRejected(message, file=str(path), field="name")
    if sum(key in found for key in ("case", "cases", "make")) > 1:
        message = f"{path}: cases stand in [[case]], in the file of `cases`, or are made by [make]; one of them."
        raise DataRejected(message, file=str(path), field="cases")
    return found


def _rows(path: Path, header: Row, content: bytes) -> tuple[list[tuple[Place, Row]], list[bytes]]:
    """The rows, and the content of other files that they come from."""
    if "cases" in header:
        beside = path.parent / str(header["cases"])
        read = _bytes_of(beside)
        return list(_json_rows(beside, read)), [read]
    if "make" in header:
        return _made(path, header["make"])
    rows = header.get("case", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataRejected(f"{path}: `case` must be tables: [[case]].", file=str(path), field="case")
    starts = [number for number, line in enumerate(content.split(b"\n"), 1) if _CASE_LINE.match(line)]
    lines: list[int | None] = list(starts) if len(starts) == len(rows) else [None] * len(rows)
    return [(Place(str(path), lines[at], at + 1), row) for at, row in enumerate(rows)], []


def _made(path: Path, table: Any) -> tuple[list[tuple[Place, Row]], list[bytes]]:
    place = Place(str(path), None, 0)
    kind = table.get("kind") if isinstance(table, dict) else None
    if kind not in MAKERS:
        raise place.wrong(f"`make.kind` is {kind!r}; it must be {' or '.join(MAKERS)}", "make")
    sources = [_bytes_of(path.parent / str(table["rows"]))] if "rows" in table else []
    rows = MAKERS[kind](table, place)
    return [(Place(str(path), None, at), row) for at, row in enumerate(rows, 1)], sources


def _json_rows(path: Path, content: bytes) -> Iterator[tuple[Place, Row]]:
    number = 0
    for line_number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        number += 1
        place = Place(str(path), line_number, number)
        try:
            row = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise place.wrong(f"it is no JSON: {error}", "cases") from error
        if not isinstance(row, dict):
            raise place.wrong("it is no JSON object", "cases")
        yield place, row
