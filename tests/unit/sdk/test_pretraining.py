"""What is refused before a pretraining job exists, and what a job is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgellm.errors import InvalidInput
from edgellm.hub.installed import Manifest
from edgellm.paths import home_from
from edgellm.sdk.inspections import library_in
from edgellm.sdk.pretraining import Pretraining, PretrainRequest, request_from


class FakeJobs:
    """Remembers what was started."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str, dict[str, Any]]] = []

    def start(self, kind: str, title: str, arguments: dict[str, Any]) -> Any:
        self.started.append((kind, title, arguments))


@pytest.fixture
def jobs() -> FakeJobs:
    return FakeJobs()


@pytest.fixture
def pretraining(tmp_path: Path, jobs: FakeJobs) -> Pretraining:
    (tmp_path / "texts").mkdir()
    library = library_in(home_from({"EDGELLM_HOME": str(tmp_path / "home")}))
    with library.lock_path("taken").open("w"):
        part = library.folder / ".part"
        part.write_bytes(b"GGUF")
        library.admit(part, Manifest(name="taken", sha256="ab", size_bytes=4, source="", added_at=0.0))
    return Pretraining(jobs, library)  # type: ignore[arg-type]


def test_a_job_is_told_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pretraining: Pretraining, jobs: FakeJobs
) -> None:
    monkeypatch.chdir(tmp_path)
    pretraining.start(PretrainRequest(folder="texts", name="tales", parameters=600_000, minutes=2.0))
    [(kind, title, arguments)] = jobs.started
    assert (kind, title) == ("pretrain", "Make tales from texts")
    assert arguments["folder"] == str(tmp_path / "texts"), "a job runs elsewhere"
    assert request_from(arguments).parameters == 600_000


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "../x"}, "cannot be a model's name"),
        ({"name": "taken"}, "already"),
        ({"name": "starter"}, "already"),
        ({"parameters": 100}, "parameters is 100"),
        ({"context_tokens": 8}, "context_tokens is 8"),
        ({"steps": 0}, "steps is 0"),
        ({"minutes": float("nan")}, "minutes is nan"),
        ({"steps": 5, "minutes": 5.0}, "Both"),
        ({"folder": "no-such-folder"}, "not a folder"),
    ],
)
def test_what_cannot_be_begun_is_refused(
    tmp_path: Path, pretraining: Pretraining, jobs: FakeJobs, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        pretraining.start(PretrainRequest(**{"folder": str(tmp_path / "texts"), "name": "tales", **changes}))
    assert not jobs.started


def test_arguments_of_a_damaged_job_are_refused() -> None:
    with pytest.raises(InvalidInput, match="not understood"):
        request_from({"folder": "x", "name": "y", "layers": 3})
