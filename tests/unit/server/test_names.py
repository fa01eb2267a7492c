"""The names of this machine's models."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.errors import ModelNotFound
from edgellm.sdk.facade import EdgeLLM
from edgellm.server.caller import local_admin
from edgellm.server.model_name import ModelName, resolve
from edgellm.server.names import ServerNames
from edgellm.settings import Settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secret folder" / "tiny.gguf"


@pytest.fixture
def names(path: Path, edgellm_home: Path) -> ServerNames:
    return ServerNames(EdgeLLM(str(path), home=edgellm_home, settings=Settings()))


def test_a_file_is_shown_by_its_stem(names: ServerNames, path: Path) -> None:
    assert names.own == "tiny"
    assert names.seen_by(local_admin())[0] == "tiny"
    assert names.opened(ModelName(base="tiny")) == str(path)
    assert names.opened(ModelName(base="tiny", adapter="a", collection="c")) == f"{path}@a"
    assert names.opened(ModelName(base="starter", adapter="a")) == "starter@a"


def test_no_path_is_a_name(names: ServerNames, path: Path) -> None:
    for asked in (str(path), f"{path}@a", "./tiny.gguf", "tiny.gguf", str(Path(__file__))):
        with pytest.raises(ModelNotFound):
            resolve(names, local_admin(), asked)


def test_aliases_are_names(names: ServerNames, edgellm_home: Path) -> None:
    with EdgeLLM(home=edgellm_home, settings=Settings()) as edge:
        edge.aliases.set("openai/gpt-4o", "tiny")
        edge.aliases.set("broken", "gone")
    assert resolve(names, local_admin(), "openai/gpt-4o") == ModelName(base="tiny")
    assert "openai/gpt-4o" in names.seen_by(local_admin())
    assert "broken" not in names.seen_by(local_admin())


def test_an_alias_as_the_servers_own_model_is_followed(edgellm_home: Path) -> None:
    with EdgeLLM("assistant", home=edgellm_home, settings=Settings()) as edge:
        edge.aliases.set("assistant", "starter@before+handbook")
        names = ServerNames(edge)
        assert names.own == "assistant"
        assert str(resolve(names, local_admin(), names.own)) == "starter@before+handbook"
        edge.aliases.set("assistant", "starter")
        assert names.opened(resolve(names, local_admin(), names.own)) == "starter"
        assert str(resolve(names, local_admin(), f"{names.own}+ferry")) == "starter+ferry"
