"""The public API is one list, and every name on it is there."""

from __future__ import annotations

import ast
import importlib
import tomllib

import pytest

import edgellm
from edgellm import errors
from tests.rules.sources import ROOT


@pytest.mark.parametrize(("module", "names"), edgellm.PUBLIC.items())
def test_every_name_comes_from_where_the_list_says(module: str, names: tuple[str, ...]) -> None:
    for name in names:
        assert getattr(edgellm, name) is getattr(importlib.import_module(module), name)


def test_type_checkers_see_the_same_list() -> None:
    tree = ast.parse((ROOT / "edgellm" / "__init__.py").read_text(encoding="utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    seen: dict[str, set[str]] = {}
    for node in blocks[0].body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name
            seen.setdefault(str(node.module), set()).add(alias.name)
    assert seen == {module: set(names) for module, names in edgellm.PUBLIC.items()}


def test_every_error_is_public() -> None:
    assert set(edgellm.PUBLIC["edgellm.errors"]) == set(errors.error_types()) & set(vars(errors))


def test_star_import_and_dir_know_the_list() -> None:
    everything = {name for names in edgellm.PUBLIC.values() for name in names}
    assert set(edgellm.__all__) == everything | {"__version__"}
    assert everything <= set(dir(edgellm))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'EdgeLM'"):
        _ = edgellm.EdgeLM


def test_the_version_is_the_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project.get("version", edgellm.__version__) == edgellm.__version__
