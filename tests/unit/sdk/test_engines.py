"""Which models fit and what they can do, with the machine and the inspect child replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.errors import ModelError, ModelRejected
from edgellm.hub.hardware import Hardware, probe
from edgellm.hub.inspect import Inspection, check_header
from edgellm.hub.installed import Library
from edgellm.paths import home_from
from edgellm.sdk.addressing import Addressing
from edgellm.sdk.engines import Engines
from edgellm.sdk.jobs import Jobs
from edgellm.sdk.models import Models
from edgellm.settings import Settings
from edgellm.store import open_store
from tests.ggufs import GGUF, model_keys, u32


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(home_from({"EDGELLM_HOME": str(tmp_path / "home")}), inspector=check_header)


@pytest.fixture
def engines(tmp_path: Path, library: Library) -> Engines:
    return Engines(home_from({"EDGELLM_HOME": str(tmp_path / "home")}), Settings(), library)


@pytest.fixture
def models(tmp_path: Path, library: Library, engines: Engines) -> Models:
    home = home_from({"EDGELLM_HOME": str(tmp_path / "home")})
    return Models(
        library,
        engines,
        Jobs(home, lambda: open_store(home.store)),
        Addressing(engines, lambda name: name),
        offline=True,
        endpoint=None,
    )


def test_the_machine_is_looked_at_once_for_all_cards(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[bool] = []

    def look(measure_bandwidth: bool = False) -> Hardware:
        looks.append(measure_bandwidth)
        return probe()

    monkeypatch.setattr("edgellm.sdk.engines.probe", look)
    fits = models.fits()
    assert set(fits) == {card.id for card in models.cards()}
    assert looks == [True]
    assert fits["qwen3-8b"].total_bytes == models.fit("qwen3-8b").total_bytes


def test_a_card_whose_installed_file_is_refused_is_left_out(
    models: Models, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inspect(path: Path) -> Inspection:
        if path.name == "qwen3-8b.gguf":
            raise ModelRejected("The installed file is damaged.")
        return check_header(path)

    monkeypatch.setattr("edgellm.hub.installed.check_namesake", lambda *_: None)
    library.add(GGUF().write(tmp_path / "m.gguf"), "qwen3-8b")
    library.inspect = inspect
    monkeypatch.setattr("edgellm.sdk.engines.probe", lambda **_: probe())
    assert {card.id for card in models.cards()} - set(models.fits()) == {"qwen3-8b"}


def test_a_model_of_the_other_kind_is_refused_before_it_is_opened(
    library: Library, engines: Engines, tmp_path: Path
) -> None:
    library.add(GGUF().write(tmp_path / "chat.gguf"))
    library.add(GGUF(keys=model_keys(llama__pooling_type=u32(1))).write(tmp_path / "vectors.gguf"))
    with pytest.raises(ModelError, match=r"'vectors' is an embedder.*Choose a chat model"):
        engines.worker("vectors", mode="generate")
    with pytest.raises(ModelError, match=r"'chat' is a chat model.*Choose an embedder"):
        engines.worker("chat", mode="embed")
    assert engines.loaded() == []


@pytest.mark.parametrize(("wanted", "opened"), [(999_999_999, 2048), (1024, 1024), (None, 2048)])
def test_a_context_beyond_the_training_is_opened_with_what_there_is(
    library: Library, tmp_path: Path, wanted: int | None, opened: int
) -> None:
    library.add(GGUF(keys=model_keys(llama__context_length=u32(2048))).write(tmp_path / "m.gguf"))
    home = home_from({"EDGELLM_HOME": str(tmp_path / "home")})
    engines = Engines(home, Settings(context_tokens=wanted), library)
    assert engines.choose("m").config.context_tokens == opened
