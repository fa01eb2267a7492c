"""The work of a pretraining job, with a trainer that learns nothing in no time."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from edgellm.errors import DataRejected, InvalidInput, ModelDoesNotFit, TrainingError
from edgellm.gguf_header import read_header
from edgellm.gguf_tensors import dequantized
from edgellm.hub.inspect import check_header
from edgellm.hub.installed import Library
from edgellm.paths import Home, home_from
from edgellm.sdk import pretrain_job
from edgellm.sdk.inspections import library_in
from edgellm.sdk.pretrain_job import TRIAL_STEPS, pretrain
from edgellm.sdk.training_run import Outcome, Together
from edgellm.train.gate import Gate
from edgellm.train.rows import read_rows
from edgellm.train.settings import TrainSettings
from edgellm.train.spec import Stepped, read_spec
from tests.unit.pretrain.texts import text_folder

STEP_S = 0.5


def stepped(step: int, settings: TrainSettings) -> Stepped:
    return Stepped(
        step=step, steps=settings.steps or 0, loss=7.0 - step / 100, straying=0.0, learning_rate=0.0,
        tokens=2048 * step, spent_s=1.0 + STEP_S * step, peak_bytes=1,
    )  # fmt: skip


@dataclass
class FakeTrainer:
    """Stands in for `follow`: doubles every weight, and remembers what it was told."""

    told: list[TrainSettings] = field(default_factory=list)
    breaks: int = 0
    """How many runs break before one ends well."""

    def __call__(self, folder: Path, _together: Together, _kernels: Path, _emit: Any) -> Outcome:
        spec = read_spec(folder / "spec.json")
        self.told.append(spec.settings)
        if self.breaks and spec.settings.steps != TRIAL_STEPS:
            self.breaks -= 1
            raise TrainingError("It broke.")
        assert read_rows(Path(spec.rows)).train
        header = read_header(Path(spec.base))
        best = folder / "best"
        best.mkdir(exist_ok=True)
        weights = {tensor.name: 2 * dequantized(header, tensor) for tensor in header.tensors}
        save_file(weights, best / "weights.safetensors")
        return Outcome(
            first=stepped(1, spec.settings), last=stepped(spec.settings.steps or 0, spec.settings),
            valid_losses=[6.0, 5.0, 5.5], checkpoint=str(folder), best_checkpoint=str(best), is_complete=True,
        )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_from({"EDGELLM_HOME": str(tmp_path / "home")})


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> FakeTrainer:
    made = FakeTrainer()
    monkeypatch.setattr(pretrain_job, "follow", made)
    monkeypatch.setattr(pretrain_job, "check_tokenizer", lambda *_: ())
    monkeypatch.setattr(pretrain_job, "check_model", lambda *_, **__: Gate(kl=1e-7, layers=2))
    monkeypatch.setattr(pretrain_job, "_sample", lambda _home, _model, opening: opening + " and more")
    monkeypatch.setattr(pretrain_job, "library_in", lambda home: Library(home, check_header))
    return made


def make(home: Home, tmp_path: Path, **changes: Any) -> dict[str, Any]:
    folder = tmp_path / "texts"
    if not folder.exists():
        text_folder(folder, 60_000)
    request = {"folder": str(folder), "name": "tales", "parameters": 500_000, "context_tokens": 64, "steps": 40}
    return pretrain(home, request | changes, tmp_path / "job", lambda _event: None)


def test_the_best_weights_become_a_model_of_the_library(home: Home, tmp_path: Path, trainer: FakeTrainer) -> None:
    result = make(home, tmp_path)
    model = library_in(home).find("tales")
    assert result["path"] == str(model.path)
    assert result["losses"] == {"first": 6.99, "last": 6.6, "valid_best": 5.0}
    assert result["sample"] == result["opening"] + " and more"
    header = read_header(model.path)
    norm = next(tensor for tensor in header.tensors if tensor.name == "output_norm.weight")
    assert np.array_equal(dequantized(header, norm), np.full(result["width"], 2.0))
    assert json.loads(header.text("edgellm.pretraining") or "")["chars"] == result["chars"]
    assert trainer.told[0].method == "full"
    assert {path.name for path in home.models.iterdir()} == {"tales.gguf", "tales.json"}
    assert not (tmp_path / "job" / "run").exists()


def test_time_is_measured_before_the_steps_are_chosen(home: Home, tmp_path: Path, trainer: FakeTrainer) -> None:
    make(home, tmp_path, steps=None, minutes=0.25)
    assert [settings.steps for settings in trainer.told] == [TRIAL_STEPS, round(15 / STEP_S)]


def test_a_broken_run_goes_on_with_what_was_prepared(home: Home, tmp_path: Path, trainer: FakeTrainer) -> None:
    trainer.breaks = 1
    with pytest.raises(TrainingError):
        make(home, tmp_path)
    for path in (tmp_path / "texts").iterdir():
        path.write_text("Changed meanwhile.")
    result = make(home, tmp_path)
    assert result["steps"] == 40
    assert trainer.told[0] == trainer.told[1]
    assert result["chars"] > 50_000, "the texts are not read again"


def test_a_taken_name_is_refused_before_anything_is_read(home: Home, tmp_path: Path, trainer: FakeTrainer) -> None:
    make(home, tmp_path)
    with pytest.raises(InvalidInput, match="already"):
        make(home, tmp_path)
    assert len(trainer.told) == 1


def test_texts_that_do_not_suffice_leave_no_model(home: Home, tmp_path: Path, trainer: FakeTrainer) -> None:
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "a.txt").write_text("Few words.")
    with pytest.raises(DataRejected):
        make(home, tmp_path, folder=str(tmp_path / "few"))
    assert not trainer.told


@pytest.mark.parametrize(("megabytes", "is_frugal"), [(4000, False), (315, True)])
def test_short_memory_is_saved_before_it_is_refused(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainer: FakeTrainer, megabytes: int, is_frugal: bool
) -> None:
    monkeypatch.setattr(pretrain_job, "probe", lambda: SimpleNamespace(available_bytes=megabytes * 1_000_000))
    make(home, tmp_path)
    assert trainer.told[0].has_gradient_checkpointing is is_frugal


def test_what_does_not_fit_is_refused_with_what_would(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainer: FakeTrainer
) -> None:
    monkeypatch.setattr(pretrain_job, "probe", lambda: SimpleNamespace(available_bytes=200_000_000))
    with pytest.raises(
        ModelDoesNotFit, match=r"0\.5 million parameters needs about .* and 200 MB are free.*Ask for fewer parameters"
    ):
        make(home, tmp_path)
    assert not trainer.told
