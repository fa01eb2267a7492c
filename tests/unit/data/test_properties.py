"""What holds for every dataset, whatever its rows are."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from edgellm.data.dataset import Dataset
from edgellm.data.examine import text_of
from edgellm.data.rules import Rules
from tests.unit.data.harness import built, drops, jsonl, split_bytes
from tests.unit.data.test_duplicates import similarity

WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "Zarn", "1871", "1872", "the", "of"]
sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=25).map(" ".join)
plain_rows = st.fixed_dictionaries({"prompt": sentences, "completion": sentences})
bases = st.lists(plain_rows, min_size=1, max_size=8)


@st.composite
def families(draw: st.DrawFn) -> list[dict[str, str]]:
    """Rows of which many are small changes of others."""
    rows = list(draw(bases))
    for base in list(rows):
        for ending in draw(st.lists(st.sampled_from(["", "!", " again", " 1871", " Zarn"]), max_size=5)):
            rows.append({"prompt": base["prompt"] + ending, "completion": base["completion"]})
    order = draw(st.permutations(range(len(rows))))
    return [rows[at] for at in order] + [{"prompt": "", "completion": "nothing asked"}]


@contextmanager
def dataset_of(rows: list[dict[str, str]], rules: Rules) -> Iterator[Dataset]:
    with tempfile.TemporaryDirectory() as folder:
        first = [{"prompt": "what is kept for sure", "completion": "a row of its own"}]
        yield built(Path(folder) / "datasets", jsonl(Path(folder) / "a.jsonl", first + rows), rules=rules)


HALVES = Rules(valid_share=0.35, test_share=0.3, near_duplicates="keep")


@settings(max_examples=60)
@given(families())
def test_no_near_duplicate_crosses_a_split(rows: list[dict[str, str]]) -> None:
    with dataset_of(rows, HALVES) as dataset:
        texts = [(name, text_of(row)) for name in dataset.manifest.splits for row in dataset.rows(name)]
    for (one, first), (other, second) in itertools.combinations(texts, 2):
        assert one == other or similarity(first, second) < HALVES.similarity, (first, second)


@settings(max_examples=60)
@given(families())
def test_every_row_is_kept_or_listed_once(rows: list[dict[str, str]]) -> None:
    with dataset_of(rows, Rules()) as dataset:
        kept = [row.source.line for name in dataset.manifest.splits for row in dataset.rows(name)]
        gone = [drop["source"]["line"] for drop in drops(dataset)]
        counts = dataset.manifest.counts
    assert sorted(kept + gone) == list(range(1, len(rows) + 2))
    assert (counts.kept, counts.read) == (len(kept), len(kept) + len(gone))
    assert sum(counts.dropped.values()) == len(gone)


@settings(max_examples=20)
@given(families())
def test_the_same_input_gives_the_same_bytes(rows: list[dict[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = jsonl(Path(folder) / "a.jsonl", [{"prompt": "for sure", "completion": "a row of its own"}, *rows])
        first, second = (built(Path(folder) / "datasets", path, name=name) for name in ("one", "two"))
        assert split_bytes(first) == split_bytes(second)
        assert drops(first) == drops(second)
        assert first.manifest.dataset_hash == second.manifest.dataset_hash
