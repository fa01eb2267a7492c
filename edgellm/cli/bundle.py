"""`edgellm bundle`: a model with all that belongs to it in one sealed file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgellm.cli.lazy import OrderedGroup
from edgellm.cli.models import progress
from edgellm.cli.named import NAMED
from edgellm.cli.names import COLLECTION_NAME, MODEL
from edgellm.cli.style import Part, bold, dim, good, warn
from edgellm.cli.table import Column
from edgellm.cli.units import count
from edgellm.cli.world import World, pass_world
from edgellm.sizes import size

if TYPE_CHECKING:
    from edgellm.export.bundle.manifest import Manifest
    from edgellm.sdk.bundle_placing import OpenedBundle
    from edgellm.sdk.bundles import BundleInfo

JSON = click.option("--json", "as_data", is_flag=True, help="Print JSON.")
FILE = click.argument("file", type=click.Path(path_type=Path))
VERIFY = click.option(
    "--verify-key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Refuse a bundle that the holder of this public key (PEM, Ed25519) did not sign.",
)


@click.group("bundle", cls=OrderedGroup)
def bundle() -> None:
    """Seal a model with adapter and documents in one file; open it on another machine.

    Opening checks every byte and needs no network.
    """


@bundle.command("create")
@click.argument("name", type=NAMED)
@click.option(
    "-m", "--model", type=MODEL, required=True, metavar="MODEL[@ADAPTER]", help="The model, with an adapter or without."
)
@click.option(
    "-c",
    "--collection",
    "collections",
    type=COLLECTION_NAME,
    multiple=True,
    metavar="NAME",
    help="A collection of documents; may be given several times.",
)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The file to write.")
@click.option(
    "--prompt",
    "prompts",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="A text with instructions for the model; may be given several times.",
)
@click.option(
    "--sign", type=click.Path(path_type=Path), metavar="KEYFILE", help="Sign it with this private key (PEM, Ed25519)."
)
@JSON
@pass_world
def create(world: World, /, name: str, as_data: bool, **said: Any) -> None:
    """Write a sealed bundle.

    It holds the model's file, the adapter, copies of the collections with their embedders, prompts, licence, cards and
    the reports of exports.
    """
    with world.open() as edge:
        made = edge.bundles.create(
            name,
            said["model"],
            said["out"],
            collections=said["collections"],
            prompts=said["prompts"],
            sign=said["sign"],
            on_event=progress(world),
        )
    world.err.clear_status()
    if as_data:
        world.out.json(_info_as_data(made))
        return
    world.out.line(good("sealed"), "  ", bold(str(made.path)), "  ", size(made.size_bytes))
    _show_signature(world, made.signed_by, is_verified=True)
    inside = [embedder.name for embedder in made.manifest.embedders]
    for collection in made.manifest.collections:
        if collection.embedder not in inside:
            world.err.warn(
                f"the embedder {collection.embedder} of {collection.name} is a folder of yours and not in the bundle; "
                "the other machine needs it too"
            )
    world.err.note(f"Open it on another machine: edgellm bundle open {made.path.name}")


@bundle.command("open")
@FILE
@VERIFY
@JSON
@pass_world
def open_bundle(world: World, file: Path, verify_key: Path | None, as_data: bool) -> None:
    """Check a bundle and put it in place, whole or not at all."""
    with world.open() as edge:
        opened = edge.bundles.open(file, verify_key=verify_key, on_event=progress(world))
    world.err.clear_status()
    if as_data:
        world.out.json(_opened_as_data(opened))
        return
    world.out.line(good("opened"), "  ", bold(opened.manifest.name), "  ", size(opened.manifest.size_bytes))
    world.out.facts(
        [
            ("model", opened.reference),
            ("documents", ", ".join(opened.collections)),
            ("to be read", str(opened.folder)),
        ]
    )
    _show_signature(world, opened.signed_by, opened.is_verified)
    world.err.note(f"Use it: edgellm chat -m {opened.reference}")
    for name in opened.collections:
        world.err.note(f"Ask its documents: edgellm docs ask -c {name} -m {opened.reference} QUESTION")


@bundle.command("show")
@FILE
@VERIFY
@JSON
@pass_world
def show(world: World, file: Path, verify_key: Path | None, as_data: bool) -> None:
    """Show what a bundle holds; nothing is put in place."""
    with world.open() as edge:
        found = edge.bundles.show(file, verify_key=verify_key)
    if as_data:
        world.out.json(_info_as_data(found))
        return
    manifest = found.manifest
    world.out.line(bold(manifest.name), "  ", size(found.size_bytes))
    world.out.facts(_facts(manifest))
    _show_signature(world, found.signed_by, found.is_verified)
    world.out.line()
    rows: list[tuple[Part, ...]] = [
        (member.path, size(member.size_bytes), dim(member.sha256)) for member in manifest.members
    ]
    world.out.table([Column("MEMBER"), Column("SIZE", right=True), Column("SHA-256", flexible=True)], rows)


def _facts(manifest: Manifest) -> list[tuple[str, Part]]:
    model = manifest.model
    return [
        ("model", f"{manifest.reference}  {model.architecture}  {model.quantization}"),
        ("parameters", f"{model.parameters / 1e6:,.0f} million"),
        ("licence", model.licence),
        *(
            ("documents", f"{each.name}  {count(each.files, 'file')}, {count(each.chunks, 'passage')}, {each.embedder}")
            for each in manifest.collections
        ),
        ("embedders", ", ".join(embedder.name for embedder in manifest.embedders)),
        ("made", f"{manifest.created} by EdgeLLM {manifest.edgellm}"),
    ]


def _show_signature(world: World, signed_by: str, is_verified: bool) -> None:
    if signed_by and is_verified:
        world.out.line(good("signed"), "  by the key ", signed_by)
    elif signed_by:
        world.out.line(warn("signed"), "  by the key ", signed_by, "; not checked: no key was given")


def _info_as_data(info: BundleInfo) -> dict[str, Any]:
    return {
        "path": str(info.path),
        "size_bytes": info.size_bytes,
        "signed_by": info.signed_by,
        "is_verified": info.is_verified,
        "manifest": info.manifest,
    }


def _opened_as_data(opened: OpenedBundle) -> dict[str, Any]:
    return {
        "reference": opened.reference,
        "collections": opened.collections,
        "folder": str(opened.folder),
        "signed_by": opened.signed_by,
        "is_verified": opened.is_verified,
        "manifest": opened.manifest,
    }
