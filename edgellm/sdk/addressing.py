"""What a model's name means: a model with adapter and collection, a server, or the alias that stands for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgellm.errors import InvalidInput, ModelNotFound
from edgellm.sdk.engines import FAKE, Engines

ADDRESSES = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Target:
    """A name, taken apart."""

    model: str
    """`MODEL` or `MODEL@ADAPTER`."""
    collection: str | None

    def __str__(self) -> str:
        return self.model if self.collection is None else f"{self.model}+{self.collection}"


def target_of(name: str) -> Target:
    """Take `MODEL[@ADAPTER][+COLLECTION]` apart; a path to a .gguf file may hold a plus."""
    model, plus, collection = name.rpartition("+")
    if not plus or collection.endswith(".gguf") or "/" in collection or name.startswith(FAKE):
        return Target(name, None)
    if not model or not collection:
        raise InvalidInput(f"{name!r} names no model, or no collection behind the plus.", field="on")
    return Target(model, collection)


def is_address(name: str) -> bool:
    """Whether a name is that of a server."""
    return name.startswith(ADDRESSES)


class Addressing:
    """Finds what is meant on this machine. A model's own name goes before an alias that is called the same."""

    def __init__(self, engines: Engines, stands_for: Callable[[str], str]) -> None:
        """`stands_for`: what an alias stands for; any other name itself."""
        self._engines, self._stands_for = engines, stands_for

    def target(self, name: str) -> Target:
        """What a name means now: an alias may stand for something else when it is next asked for.

        Raises: ModelNotFound for an alias of a server; StoreError.
        """
        if self._engines.knows(name):
            return Target(name, None)
        meant = self._stands_for(name)
        if meant == name:
            return Target(name, None)  # who opens it says that there is no such model
        if is_address(meant):
            message = f"The alias {name!r} stands for a server, {meant}, which is not on this machine."
            raise ModelNotFound(message, hint="Ask that server.", name=name)
        return target_of(meant)

    def resolve(self, name: str) -> str:
        """What finds a model again from any folder; an alias stays itself. Raises as `Engines.resolve`."""
        target = self.target(name)
        found = self._engines.resolve(target.model)
        return found if target.model == name else name
