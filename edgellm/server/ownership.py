"""What belongs to one key: collections and adapters whose names end in the key's id.

The names of an administrator's own are plain, and shared. Whoever reads the store or a folder sees whose each one is,
and nothing else has to be kept: what is deleted by any command leaves no owner behind.
"""

from __future__ import annotations

import re

from edgellm.server.caller import Caller

MOST_CHARACTERS = 36
"""Of a name that a client gives: with the key's id behind it, it is still the name of a dataset (64)."""
_OWNED = re.compile(r"(.+)\.([0-9a-hjkmnp-tv-z]{26})")
"""A name and an id of the store's."""


def owned_name(caller: Caller, name: str) -> str:
    """What a caller's own object of this name is called on this machine."""
    return name if caller.is_admin else f"{name}.{caller.tenant}"


def owner_of(name: str) -> str | None:
    """The tenant that an object belongs to; None: it is shared."""
    found = _OWNED.fullmatch(name)
    return found.group(2) if found else None


def may_use(caller: Caller, name: str) -> bool:
    """Whether an object is shared, the caller's own, or the caller an administrator."""
    return caller.is_admin or owner_of(name) in (None, caller.tenant)


def collection_of(caller: Caller, name: str) -> str:
    """The collection that a caller means: one that the key names, else the key's own."""
    return name if caller.is_admin or name in caller.limits.collections else owned_name(caller, name)


def is_own_collection(caller: Caller, name: str) -> bool:
    """Whether a caller may change the collection of this name."""
    return caller.is_admin or name not in caller.limits.collections


def shown_collection(caller: Caller, collection: str) -> str | None:
    """What a caller calls a collection; None: it does not exist for the caller."""
    if caller.is_admin or collection in caller.limits.collections:
        return collection
    name = collection.removesuffix(f".{caller.tenant}")
    return name if name != collection and name not in caller.limits.collections else None
