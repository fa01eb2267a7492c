"""Whose a collection or an adapter is, by the end of its name."""

from __future__ import annotations

import pytest

from edgellm.server.caller import Caller, local_admin
from edgellm.server.ownership import (
    collection_of,
    is_own_collection,
    may_use,
    owned_name,
    owner_of,
    shown_collection,
)
from edgellm.store.ids import new_id
from edgellm.store.keys import Limits

ANA = Caller(tenant=new_id(), role="user", limits=Limits(collections=("shared",)))
BEN = Caller(tenant=new_id(), role="user")
ADMIN = local_admin()


@pytest.mark.parametrize("name", ["ferry", "ferry.2026", "a", "x.y.z", "ferry.UPPERCASE0000000000000000"])
def test_an_owned_name_says_its_owner(name: str) -> None:
    owned = owned_name(ANA, name)
    assert owner_of(owned) == ANA.tenant
    assert owner_of(name) is None
    assert owned_name(ADMIN, name) == name
    assert [may_use(caller, owned) for caller in (ANA, BEN, ADMIN)] == [True, False, True]
    assert all(may_use(caller, name) for caller in (ANA, BEN, ADMIN))


def test_a_name_that_imitates_another_owner_is_still_ones_own() -> None:
    assert owner_of(owned_name(ANA, f"ferry.{BEN.tenant}")) == ANA.tenant


def test_a_collection_is_one_that_the_key_names_or_its_own() -> None:
    own = f"ferry.{ANA.tenant}"
    assert (collection_of(ANA, "shared"), collection_of(ANA, "ferry")) == ("shared", own)
    assert (collection_of(ADMIN, "ferry"), collection_of(ADMIN, own)) == ("ferry", own)
    assert collection_of(BEN, own) == f"{own}.{BEN.tenant}"
    assert [is_own_collection(ANA, "shared"), is_own_collection(ANA, "ferry")] == [False, True]
    assert is_own_collection(ADMIN, "shared")


def test_a_list_shows_each_caller_its_names() -> None:
    names = ["shared", "hidden", f"ferry.{ANA.tenant}", f"ferry.{BEN.tenant}", f"shared.{ANA.tenant}"]
    assert [shown_collection(ANA, name) for name in names] == ["shared", None, "ferry", None, None]
    assert [shown_collection(BEN, name) for name in names] == [None, None, None, "ferry", None]
    assert [shown_collection(ADMIN, name) for name in names] == names
