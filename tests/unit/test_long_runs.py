"""Long runs of one thing in a hostile text: the work grows with the text's length and no faster.

Each took minutes or hours where the work grew with the square of the length; the limit has room for a busy machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pytest

from edgellm.data import clean, duplicates
from edgellm.data.personal import PersonalData
from edgellm.data.rows import Example, Source
from edgellm.data.rules import Rules
from edgellm.engine.refusal import refused
from edgellm.errors import InvalidInput
from edgellm.evals import words as answers
from edgellm.evals.scorers import safety
from edgellm.retrieval.collection import words as index
from edgellm.retrieval.embed.wordpiece import WordPiece, WordPieceRules
from edgellm.retrieval.ground.citations import check
from edgellm.retrieval.ground.passages import neutral
from edgellm.safetext import normalised
from edgellm.server.json_text import read_json
from edgellm.store import title_from
from edgellm.toml_edit import with_value
from edgellm.types import Constraint

LIMIT_S = 15.0
LONG = 200_000
BLANKS = " " * LONG
MARKS = "\u0301\u0323" * (LONG // 2)
PIECES = WordPiece(
    WordPieceRules(
        vocabulary={}, unknown=0, cls=1, sep=2, is_lowercase=True, strips_accents=True
    )  # a model's own words
)


def unread(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_json(body)


def masked(text: str) -> str:
    found = PersonalData(Rules()).treat(Example(Source("", 1), text=text))
    assert isinstance(found, Example)
    return found.text


RUNS: dict[str, Callable[[], object]] = {
    "marks, composed": partial(normalised, MARKS, "NFC"),
    "marks, decomposed": partial(normalised, MARKS, "NFD"),
    "marks, compatible": partial(normalised, MARKS, "NFKC"),
    "marks that no table calls marks": partial(normalised, "\u0f73" * LONG, "NFC"),
    "marks of half width": partial(normalised, "\uff9e\u0301" * (LONG // 2), "NFKC"),
    "marks beyond the first plane": partial(normalised, "\U0001d165\U0001e8d0" * (LONG // 2), "NFC"),
    "marks in a row of examples": partial(clean.normalise, MARKS),
    "marks in a row that is compared": partial(duplicates.plain, MARKS),
    "marks in a document": partial(index.folded, MARKS),
    "marks before an embedder": partial(PIECES.count, MARKS),
    "marks in an answer": partial(answers.normalised, MARKS),
    "marks in an answer that may leak": partial(safety._letters, MARKS),
    "brackets in a passage": partial(neutral, "<" * LONG),
    "brackets and signs in a passage": partial(neutral, "<-" * (LONG // 2) + "passag"),
    "blanks in an answer": partial(check, f"So it is.{BLANKS}x", []),
    "blanks in a citation": partial(check, f"So it is [1{BLANKS}x].", []),
    "blanks before a citation's end": partial(check, f"So it is [1 and{BLANKS}2{BLANKS}x].", []),
    "blanks in a first message": partial(title_from, f"a{BLANKS}b"),
    "quotes without an end in a body": partial(unread, rb"\"" * (LONG // 2)),
    "names in a body, the last one twice": partial(
        unread, b"{" + b",".join(b'"%d":0' % at for at in (*range(LONG // 4), LONG // 4 - 1)) + b"}"
    ),
    "a name in a schema": partial(refused, "a" * LONG, Constraint(kind="json_schema", text="{}")),
    "blanks in a schema's pattern": partial(
        refused, f"regex parse error:\n{BLANKS}(", Constraint(kind="json_schema", text="{}")
    ),
    "blanks in settings": partial(with_value, f'a = """\nb{BLANKS}\n"""\n', ("a",), "c"),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_long_run_takes_no_longer_than_its_length(name: str) -> None:
    started = time.monotonic()
    RUNS[name]()
    assert time.monotonic() - started < LIMIT_S


def test_masks_that_lay_bare_one_another_are_not_followed_without_an_end() -> None:
    pytest.importorskip("phonenumbers")
    started = time.monotonic()
    found = masked("4111111111111111." * 1000 + " and more")  # a minute and more, one mask after the other
    assert time.monotonic() - started < LIMIT_S
    assert found == "[masked] and more"


def test_many_masks_are_put_in_at_once() -> None:
    pytest.importorskip("phonenumbers")
    assert masked("a@b.cc " * 3) == "[email] [email] [email] "
