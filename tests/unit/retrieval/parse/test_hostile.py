"""Hostile files fail alone, with a reason, within the limits; what can be read of them is read."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from edgellm import safetext
from edgellm.errors import ParseFailed
from edgellm.limited import Limits
from edgellm.retrieval.parse.files import parse_files
from edgellm.retrieval.values import Document
from tests.unit.retrieval.hostile import ALL, Hostile

for _library in ("pypdf", "openpyxl", "selectolax"):
    pytest.importorskip(_library)
pytestmark = pytest.mark.slow
LIMITS = Limits(memory_bytes=1024**3, wall_s=20, output_bytes=64 * 1024**2)
LONGEST_S = 90


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of all files, each followed by a harmless one."""

    hostile: dict[str, Document | ParseFailed]
    neighbours: Sequence[Document | ParseFailed]
    seconds: float


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("hostile")
    neighbour = folder / "neighbour.md"
    neighbour.write_text("# Harmless\n\nA neighbour.", encoding="utf-8")
    paths = []
    for each in ALL:
        path = each.path(folder)
        each.make(path)
        paths += [path, neighbour]
    began = time.monotonic()
    found = list(parse_files(paths, LIMITS))
    hostile = {each.id: answer for each, answer in zip(ALL, found[::2], strict=True)}
    return Outcome(hostile, found[1::2], time.monotonic() - began)


@pytest.mark.parametrize("file", ALL, ids=lambda file: file.id)
def test_a_hostile_file_is_read_or_refused_with_a_reason(file: Hostile, outcome: Outcome) -> None:
    found = outcome.hostile[file.id]
    if isinstance(found, ParseFailed):
        assert file.reason, found
        reason = str(found.facts["reason"])
        assert re.search(file.reason, reason), reason
        assert safetext.clean_line(reason) == reason
        assert len(reason) < 600
    else:
        assert file.text is not None, found.text[:200]
        assert re.search(file.text, found.text, re.DOTALL)
        assert safetext.clean(found.text) == found.text


def test_neighbours_are_read(outcome: Outcome) -> None:
    texts = [each.text for each in outcome.neighbours if isinstance(each, Document)]
    assert texts == ["Harmless\n\nA neighbour."] * len(ALL)


def test_all_are_done_in_time(outcome: Outcome) -> None:
    assert outcome.seconds < LONGEST_S
