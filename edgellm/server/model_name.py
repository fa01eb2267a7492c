"""What the field `model` names: a model, with its adapter and a collection of documents, or an alias for one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from edgellm.errors import ModelNotFound
from edgellm.server.caller import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelName:
    """`NAME`, `NAME@ADAPTER`, `NAME+COLLECTION` or `NAME@ADAPTER+COLLECTION`, taken apart."""

    base: str
    adapter: str | None = None
    collection: str | None = None

    @property
    def model(self) -> str:
        """Without the collection."""
        return self.base if self.adapter is None else f"{self.base}@{self.adapter}"

    def __str__(self) -> str:
        return self.model if self.collection is None else f"{self.model}+{self.collection}"


class Names(Protocol):
    """Which names there are on this machine."""

    def bases(self) -> frozenset[str]:
        """Models that may be named."""

    def target(self, alias: str) -> str:
        """What an alias stands for; any other name itself."""


def split(name: str, bases: frozenset[str]) -> ModelName | None:
    """Take a name apart; None when it names no model of `bases`."""
    if name in bases:
        return ModelName(base=name)
    model, plus, collection = name.rpartition("+")
    if not plus:
        model, collection = name, ""
    if plus and not collection:
        return None
    if model in bases:
        return ModelName(base=model, collection=collection)
    base, _, adapter = model.rpartition("@")
    if base not in bases or not adapter:
        return None
    return ModelName(base=base, adapter=adapter, collection=collection or None)


def resolve(names: Names, caller: Caller, asked: str) -> ModelName:
    """What a caller gets for a name. Raises: ModelNotFound, alike for what is not there and what the key may not use.

    A key's models are names and aliases: `starter` allows that model without an adapter, an alias all that it stands
    for. A bound adapter is added to each model, and no other one can be named.
    """
    limits, target = caller.limits, names.target(asked)
    name = split(target, names.bases())
    if name is None or (limits.adapter is not None and name.adapter not in (None, limits.adapter)):
        raise not_found(asked)
    if limits.adapter is not None:
        name = replace(name, adapter=None)
    if target == asked or asked not in limits.models:
        _check_rights(caller, name, asked)
    return replace(name, adapter=limits.adapter or name.adapter)


def _check_rights(caller: Caller, name: ModelName, asked: str) -> None:
    models, collections = caller.limits.models, caller.limits.collections
    if models and name.model not in models:
        raise not_found(asked)
    if name.collection is not None and not caller.is_admin and name.collection not in collections:
        raise not_found(asked)


def not_found(asked: str) -> ModelNotFound:
    """The error for a name that stands for nothing the caller may use."""
    return ModelNotFound(f"There is no model {asked[:200]!r}.", field="model")
