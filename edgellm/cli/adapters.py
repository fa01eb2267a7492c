"""`edgellm adapters`: what models were taught, here or elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgellm.cli.lazy import OrderedGroup
from edgellm.cli.names import ADAPTER, MODEL
from edgellm.cli.style import bold, dim, good
from edgellm.cli.table import Column
from edgellm.cli.world import World, pass_world
from edgellm.sizes import size

if TYPE_CHECKING:
    from edgellm.hub.adapters import AdapterManifest, InstalledAdapter

JSON = click.option("--json", "as_data", is_flag=True, help="Print JSON.")


@click.group("adapters", cls=OrderedGroup)
def adapters() -> None:
    """List, attach and remove what models were taught.

    An adapter is used as part of a model's name: `edgellm chat -m starter@NAME`.
    """


@adapters.command("list")
@JSON
@pass_world
def list_adapters(world: World, as_data: bool) -> None:
    """List adapters."""
    with world.open() as edge:
        found = edge.adapters.list()
    if as_data:
        world.out.json([_as_json(adapter) for adapter in found])
    elif not found:
        world.err.note(
            "No adapter yet; `edgellm train run --data FILE --name NAME` makes one, "
            "`edgellm adapters attach FILE` takes one in."
        )
    else:
        header = [Column("ADAPTER"), Column("SIZE", right=True), Column("MADE"), Column("FROM", flexible=True)]
        rows = [(bold(a.reference), size(a.size_bytes), a.manifest.created[:10], dim(a.origin)) for a in found]
        world.out.table(header, rows)


@adapters.command("show")
@click.argument("name", type=ADAPTER)
@JSON
@pass_world
def show(world: World, name: str, as_data: bool) -> None:
    """Show what is known about an adapter."""
    with world.open() as edge:
        adapter = edge.adapters.get(name)
    if as_data:
        world.out.json(_as_json(adapter))
        return
    manifest = adapter.manifest
    world.out.line(bold(adapter.reference))
    world.out.facts(
        [
            ("file", str(adapter.path)),
            ("size", size(adapter.size_bytes)),
            ("from", adapter.origin),
            ("made", manifest.created),
            ("base", f"{manifest.base.name}  {manifest.base.architecture}"),
            ("base sha256", manifest.base.sha256),
            ("dataset sha256", manifest.dataset.hash if manifest.dataset else ""),
            ("plan", _pairs(manifest.plan)),
            ("losses", _pairs(manifest.losses)),
            ("llama.cpp", _pairs(manifest.verification)),
        ]
    )
    world.err.note(f"Use it: edgellm chat -m {adapter.reference}")


@adapters.command("attach")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--base", type=MODEL, metavar="MODEL", help="The model that it was made for; the default model otherwise."
)
@click.option("--name", metavar="NAME", help="Call it NAME; otherwise after the file.")
@JSON
@pass_world
def attach(world: World, file: Path, base: str | None, name: str | None, as_data: bool) -> None:
    """Take in a LoRA file in GGUF form that was made elsewhere.

    Family, names and shapes are compared with the base. Whether it was trained on exactly this base, no file says.
    """
    with world.open() as edge:
        adapter = edge.adapters.attach(file, base or edge.model, name)
    if as_data:
        world.out.json(_as_json(adapter))
        return
    world.out.line(good("attached"), "  ", bold(adapter.reference), "  ", size(adapter.size_bytes))
    world.err.note(f"Use it: edgellm chat -m {adapter.reference}")


@adapters.command("remove")
@click.argument("name", type=ADAPTER)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@JSON
@pass_world
def remove(world: World, name: str, yes: bool, as_data: bool) -> None:
    """Delete an adapter with all its files; its base stays."""
    with world.open() as edge:
        if not world.confirms(f"Delete the adapter {name}?", is_agreed=yes):
            return
        edge.adapters.remove(name)
    if as_data:
        world.out.json({"removed": name})
    else:
        world.err.note(f"deleted {name}")


def _as_json(adapter: InstalledAdapter) -> dict[str, str | int | AdapterManifest]:
    return {
        "reference": adapter.reference,
        "path": str(adapter.path),
        "size_bytes": adapter.size_bytes,
        "manifest": adapter.manifest,
    }


def _pairs(facts: object) -> str:
    """A mapping's plain values in one line."""
    if not isinstance(facts, dict):
        return ""
    plain = {key: value for key, value in facts.items() if isinstance(value, str | int | float)}
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in plain.items()
    )
