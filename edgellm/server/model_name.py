"""What the field `model` names: a model, with its adapter and a collection of documents, or an alias for one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from edgellm.errors import InvalidInput, ModelNotFound
from edgellm.server.caller import Caller
from edgellm.server.ownership import collection_of, may_use, owner_of


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

    def has_collection(self, name: str) -> bool:
        """Whether there is a collection of this name on this machine."""


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

    A key's models are names and aliases: `starter` allows that model without an adapter or with one that the key taught
    itself, an alias all that it stands for. A bound adapter is added to each model, and no other one can be named.
    A collection is one that the key names, else its own. Behind an alias it takes the place of the alias's own.
    """
    limits, target = caller.limits, names.target(asked)
    alias, plus, _ = asked.rpartition("+")
    if target == asked and plus and names.target(alias) != alias:
        return _with_collection(names, caller, alias, asked)
    name = split(target, names.bases())
    if name is None or (limits.adapter is not None and name.adapter not in (None, limits.adapter)):
        raise not_found(asked)
    if limits.adapter is not None:
        name = replace(name, adapter=None)
    if target == asked or asked not in limits.models:
        own = name.collection if target == asked else None  # an alias stands for what everyone means by its words
        name = _checked(names, caller, name, asked, own)
    return replace(name, adapter=limits.adapter or name.adapter)


def _checked(names: Names, caller: Caller, name: ModelName, asked: str, own: str | None) -> ModelName:
    """The name, its collection as it is called on this machine; `own`: one that may be the key's own.

    Raises: ModelNotFound.
    """
    adapter, models = name.adapter, caller.limits.models
    if adapter is not None and not may_use(caller, adapter):
        raise not_found(asked)
    allowed = (name.model, name.base) if adapter is not None and owner_of(adapter) == caller.tenant else (name.model,)
    if models and not set(allowed) & set(models):
        raise not_found(asked)
    if name.collection is None or _may_search(caller, name.collection):
        return name
    return replace(name, collection=_own_collection(names, caller, asked, own))


def _with_collection(names: Names, caller: Caller, alias: str, asked: str) -> ModelName:
    """What an alias stands for, with the collection that the caller named behind it.

    Raises: ModelNotFound, in the same words whether the alias or the collection is what the key may not use: otherwise
    it would learn which aliases there are.
    """
    collection = asked.removeprefix(f"{alias}+")
    if not collection:
        raise not_found(asked)
    try:
        name = resolve(names, caller, alias)
    except ModelNotFound:
        raise not_found(asked) from None
    if not _may_search(caller, collection):
        collection = _own_collection(names, caller, asked, collection)
    return replace(name, collection=collection)


def _may_search(caller: Caller, collection: str) -> bool:
    """Whether a caller may search a collection as it is called on this machine."""
    return caller.is_admin or collection in caller.limits.collections


def _own_collection(names: Names, caller: Caller, asked: str, own: str | None) -> str:
    """What a caller's own collection is called on this machine. Raises: ModelNotFound."""
    if own is None or not names.has_collection(collection_of(caller, own)):
        raise not_found(asked)
    return collection_of(caller, own)


def resolve_bare(names: Names, caller: Caller, asked: str) -> ModelName:
    """`resolve` for work that searches no documents. Raises: as it; InvalidInput for a name with a collection."""
    name = resolve(names, caller, asked)
    if name.collection is not None:
        message = f"{asked[:200]!r} answers from documents, which nothing asked here can do."
        raise InvalidInput(message, hint="Name the model without a collection, or ask by chat.", field="model")
    return name


def not_found(asked: str) -> ModelNotFound:
    """The error for a name that stands for nothing the caller may use."""
    return ModelNotFound(f"There is no model {asked[:200]!r}.", field="model")
