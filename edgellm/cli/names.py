"""Names of models and adapters on the command line, which a shell can complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from edgellm.cli.named import Named

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from edgellm.paths import Home


class _ModelName(Named):
    def shell_complete(self, ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Installed models, each followed by its adapters."""
        return _beginning(incomplete, _models(_home(ctx)))


class _AdapterName(Named):
    def shell_complete(self, ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Adapters on this machine."""
        from edgellm.hub.adapters import Shelf  # deferred: only completion reads names

        return _beginning(incomplete, (adapter.name for adapter in Shelf(_home(ctx)).list()))


class _CollectionName(Named):
    def shell_complete(self, ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Collections on this machine."""
        from edgellm.retrieval.shelf import CollectionShelf  # deferred: only completion reads names

        return _beginning(incomplete, iter(CollectionShelf(_home(ctx)).names()))


COLLECTION_NAME = _CollectionName()
MODEL = _ModelName()
ADAPTER = _AdapterName()


def _models(home: Home) -> Iterator[str]:
    from edgellm.hub.adapters import Shelf  # deferred, as above
    from edgellm.hub.installed import Library

    adapters = Shelf(home).list()
    for model in Library(home).list():
        yield model.name
        yield from (f"{model.name}@{a.name}" for a in adapters if a.manifest.base.sha256 == model.sha256)


def _home(ctx: click.Context) -> Home:
    from edgellm.paths import home_from

    chosen = ctx.find_root().params.get("home")
    return home_from({"EDGELLM_HOME": chosen} if chosen else os.environ)


def _beginning(incomplete: str, names: Iterator[str]) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
