"""What a name stands for, and for whom."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from edgellm.errors import ModelNotFound
from edgellm.server.caller import Caller, local_admin
from edgellm.server.model_name import ModelName, resolve, split
from edgellm.store.keys import Limits

TENANT = "0" * 26
OTHER = "1" * 26
BASES = frozenset({"starter", "qwen", "fake:a=1"})


class Names:
    def __init__(self, aliases: Mapping[str, str] | None = None) -> None:
        self._aliases = aliases or {}

    def bases(self) -> frozenset[str]:
        return BASES

    def target(self, alias: str) -> str:
        return self._aliases.get(alias, alias)

    def has_collection(self, name: str) -> bool:
        return name == f"notes.{TENANT}"


ALIASES = Names(
    {
        "support": "starter@lighthouse+handbook",
        "gpt-4o": "qwen",
        "broken": "gone",
        "theirs": f"starter@mine.{OTHER}",
        "notebook": "starter+notes",
    }
)


def user(**limits: object) -> Caller:
    return Caller(tenant=TENANT, role="user", limits=Limits(**limits))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("starter", ModelName(base="starter")),
        ("fake:a=1", ModelName(base="fake:a=1")),
        ("starter@a", ModelName(base="starter", adapter="a")),
        ("starter+c", ModelName(base="starter", collection="c")),
        ("starter@a+c", ModelName(base="starter", adapter="a", collection="c")),
        ("fake:a=1@a+c", ModelName(base="fake:a=1", adapter="a", collection="c")),
    ],
)
def test_taken_apart(name: str, expected: ModelName) -> None:
    assert split(name, BASES) == expected
    assert str(expected) == name


@pytest.mark.parametrize(
    "name", ["", "other", "starter@", "starter+", "@a", "+c", "starter@a+", "other@a", "/etc/passwd", "../starter"]
)
def test_no_name(name: str) -> None:
    assert split(name, BASES) is None
    with pytest.raises(ModelNotFound):
        resolve(ALIASES, local_admin(), name)


def test_an_alias_stands_for_all_its_parts() -> None:
    assert str(resolve(ALIASES, local_admin(), "support")) == "starter@lighthouse+handbook"
    with pytest.raises(ModelNotFound, match="'broken'"):
        resolve(ALIASES, local_admin(), "broken")


ALLOWED = [
    (user(), "starter", "starter"),
    (user(), "gpt-4o", "qwen"),
    (user(models=("starter",)), "starter", "starter"),
    (user(models=("starter@a",)), "starter@a", "starter@a"),
    (user(models=("gpt-4o",)), "gpt-4o", "qwen"),
    (user(models=("qwen",)), "gpt-4o", "qwen"),
    (user(models=("support",)), "support", "starter@lighthouse+handbook"),
    (user(collections=("c",)), "starter+c", "starter+c"),
    (user(adapter="a"), "starter", "starter@a"),
    (user(adapter="a"), "starter@a", "starter@a"),
    (user(adapter="a", models=("starter",)), "starter@a", "starter@a"),
    (user(), "starter+notes", f"starter+notes.{TENANT}"),
    (user(collections=("notes",)), "starter+notes", "starter+notes"),
    (user(), f"starter@mine.{TENANT}", f"starter@mine.{TENANT}"),
    (user(models=("starter",)), f"starter@mine.{TENANT}", f"starter@mine.{TENANT}"),
    (user(models=("theirs",)), "theirs", f"starter@mine.{OTHER}"),
    (user(), "gpt-4o+notes", f"qwen+notes.{TENANT}"),
    (user(models=("gpt-4o",), collections=("c",)), "gpt-4o+c", "qwen+c"),
    (user(models=("support",)), "support+notes", f"starter@lighthouse+notes.{TENANT}"),
]
REFUSED = [
    (user(models=("starter",)), "qwen"),
    (user(models=("starter",)), "starter@a"),
    (user(models=("starter",)), "gpt-4o"),
    (user(models=("starter",)), "support"),
    (user(models=("gpt-4o",)), "qwen"),
    (user(), "starter+c"),
    (user(), "support"),
    (user(collections=("other",)), "starter+c"),
    (user(adapter="a"), "starter@b"),
    (user(adapter="a", models=("support",)), "support"),
    (user(), f"starter@mine.{OTHER}"),
    (user(), "theirs"),
    (user(), "notebook"),
    (user(models=("qwen",)), f"starter@mine.{TENANT}"),
    (user(), f"starter+notes.{OTHER}"),
    (user(), f"starter+notes.{TENANT}"),
    (user(), "gpt-4o+c"),
    (user(), "gpt-4o+"),
    (user(), f"gpt-4o+notes.{TENANT}"),
    (user(models=("support",)), "support+handbook"),
    (user(models=("starter",)), "gpt-4o+notes"),
    (user(), "support+notes"),
]


@pytest.mark.parametrize(("caller", "asked", "expected"), ALLOWED)
def test_what_a_key_gets(caller: Caller, asked: str, expected: str) -> None:
    assert str(resolve(ALIASES, caller, asked)) == expected


@pytest.mark.parametrize(("caller", "asked"), REFUSED)
def test_what_a_key_may_not_use_does_not_exist(caller: Caller, asked: str) -> None:
    with pytest.raises(ModelNotFound) as refusal:
        resolve(ALIASES, caller, asked)
    assert str(refusal.value) == f"There is no model {asked!r}."
