"""Opening a dataset: every change of a file is noticed and named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgellm.data.dataset import open_dataset
from edgellm.errors import DataRejected, DatasetNotFound, InvalidInput
from tests.unit.data.harness import built, fact, jsonl


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [fact(number) for number in range(60)]
    return built(tmp_path / "datasets", jsonl(tmp_path / "facts.jsonl", rows)).folder


def test_an_untouched_dataset_opens(folder: Path) -> None:
    dataset = open_dataset(folder)
    sizes = {name: len(list(dataset.rows(name))) for name in dataset.manifest.splits}
    assert sizes == dict(dataset.manifest.counts.splits)
    assert sum(sizes.values()) == 60


@pytest.mark.parametrize("name", ["train.jsonl", "valid.jsonl", "test.jsonl"])
def test_a_changed_file_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(DataRejected, match=f"{name}: the file has changed"):
        open_dataset(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "valid.jsonl").unlink()
    with pytest.raises(DataRejected, match=r"valid\.jsonl"):
        open_dataset(folder)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("dataset_hash", "0" * 64, "dataset hash"),
        ("format_version", 99, "version 99"),
        ("splits", {}, "no train file"),
        ("rules", {"similarity": 7}, "no manifest"),
        ("name", 7, "no manifest"),
    ],
)
def test_a_changed_manifest_is_refused(folder: Path, key: str, value: object, said: str) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {key: value}))
    with pytest.raises(DataRejected, match=said):
        open_dataset(folder)


def test_a_manifest_reaches_for_no_other_folder(folder: Path) -> None:
    path = folder / "manifest.json"
    found = json.loads(path.read_bytes())
    found["splits"]["train"]["file"] = "../../secret"
    path.write_text(json.dumps(found))
    with pytest.raises(DataRejected, match="no file of the dataset"):
        open_dataset(folder)


def test_a_folder_without_a_manifest_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFound, match=r"manifest\.json is missing"):
        open_dataset(tmp_path)


def test_there_are_three_splits(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="'dev'"):
        list(open_dataset(folder).rows("dev"))  # type: ignore[arg-type]
