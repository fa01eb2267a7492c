"""What is said, unasked, of the files that a run learns from."""

from __future__ import annotations

from pathlib import Path

from edgellm.sdk.data_notes import data_notes
from edgellm.sdk.facade import EdgeLLM

CSV = """question,answer
Whom do I ask about the harbour?,Write to anna@example.org and wait for a day.
How deep is it?,Nine.
When does it open?,It opens at six in the morning.
When does it open?,It opens at six in the morning.
"""


def test_format_left_out_and_masked_are_named(edge: EdgeLLM, tmp_path: Path) -> None:
    (tmp_path / "harbour.csv").write_text(CSV, encoding="utf-8")
    made = edge.datasets.build([tmp_path / "harbour.csv"], "harbour").manifest
    told = data_notes(edge.home.datasets / "harbour", made.dataset_hash)
    assert told[0].startswith("read as csv of ")
    assert told[1] == "2 of 4 rows kept; left out: 1 answer of one word, 1 exact duplicate"
    assert told[2:] == ["personal data: email 1 (mask)"]


def test_of_a_dataset_that_is_gone_or_another_nothing_is_said(edge: EdgeLLM, tmp_path: Path) -> None:
    (tmp_path / "harbour.csv").write_text(CSV, encoding="utf-8")
    edge.datasets.build([tmp_path / "harbour.csv"], "harbour")
    assert data_notes(edge.home.datasets / "harbour", "another hash") == []
    assert data_notes(edge.home.datasets / "nothing", "another hash") == []
