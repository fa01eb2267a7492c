"""`edgellm models`: which model, does it fit, and getting it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgellm.cli.diagnostics import Code
from edgellm.cli.ids import short
from edgellm.cli.lazy import OrderedGroup
from edgellm.cli.style import Part, Styled, bad, bold, dim, good, warn
from edgellm.cli.table import Column
from edgellm.cli.units import rate
from edgellm.cli.waiting import leave, wait_for
from edgellm.cli.world import World, pass_world
from edgellm.errors import ModelNotFound
from edgellm.hub.names import split_adapter
from edgellm.sizes import size

if TYPE_CHECKING:
    from edgellm.events import JobEvent
    from edgellm.hub.adapters import InstalledAdapter
    from edgellm.hub.cards import ModelCard
    from edgellm.hub.fit import Fit
    from edgellm.hub.installed import InstalledModel
    from edgellm.sdk.facade import EdgeLLM

JSON = click.option("--json", "as_data", is_flag=True, help="Print JSON.")
CONTEXT = click.option(
    "--context", "context_tokens", type=click.IntRange(min=1), metavar="N", help="Tokens the model should look back on."
)
DETACH = click.option("--detach", is_flag=True, help="Leave a folder to a job, which goes on without this command.")
VERDICTS = {"fits": good("fits"), "tight": warn("tight"), "no": bad("does not fit")}


@click.group("models", cls=OrderedGroup)
def models() -> None:
    """Choose, fit, fetch, verify and remove models.

    NAME is an installed model, `starter`, a card of the catalogue, or a path to a .gguf file.
    """


@models.command("list")
@click.option("--all", "with_cards", is_flag=True, help="Add the catalogue: models that can be fetched.")
@click.option("--fits", "only_fitting", is_flag=True, help="Add what of the catalogue fits this machine.")
@JSON
@pass_world
def list_models(world: World, with_cards: bool, only_fitting: bool, as_data: bool) -> None:
    """List installed models, and those that can be."""
    with world.open() as edge:
        installed = edge.models.list()
        adapters = {model.name: edge.adapters.list(model) for model in installed}
        cards = edge.models.cards()
        fits = edge.models.fits() if with_cards or only_fitting else {}
    if only_fitting:
        fits = {name: fit for name, fit in fits.items() if fit.verdict != "no"}
    shown = sorted(
        (card for card in cards if card.id in fits), key=lambda card: (card.kind != "chat", fits[card.id].total_bytes)
    )
    if as_data:
        listed = [adapter.reference for each in adapters.values() for adapter in each]
        catalogue = [{"card": card, "fit": fits[card.id]} for card in shown]
        world.out.json({"installed": installed, "adapters": listed, "catalogue": catalogue})
        return
    _show_installed(world, installed, adapters)
    if shown:
        world.out.line()
        _show_cards(world, shown, fits)
        world.err.note("`edgellm models show NAME` tells more, `edgellm models pull NAME` fetches one.")
    elif cards:
        world.err.note(
            f"Which to choose? `edgellm models list --fits` shows which of the catalogue's {len(cards)} run here, "
            "how fast, and what each is good at."
        )


def _show_installed(
    world: World, installed: list[InstalledModel], adapters: Mapping[str, list[InstalledAdapter]]
) -> None:
    if not installed:
        world.err.note("No model is installed yet; `edgellm models list --fits` shows which would run here.")
        return
    header = [Column("INSTALLED"), Column("SIZE", right=True), Column("FROM", flexible=True)]
    rows: list[tuple[Part, ...]] = []
    for model in installed:
        rows.append((bold(model.name), size(model.size_bytes), dim(model.source)))
        rows += [(f"  {model.name}@{a.name}", size(a.size_bytes), dim(a.origin)) for a in adapters[model.name]]
    world.out.table(header, rows)


def _show_cards(world: World, cards: list[ModelCard], fits: dict[str, Fit]) -> None:
    header = [
        Column("CATALOGUE"),
        Column("NEEDS", right=True),
        Column("HERE"),
        Column("SPEED", right=True),
        Column("COMMERCIAL"),
        Column("GOOD AT", flexible=True),
    ]
    rows: list[tuple[Part, ...]] = [
        (
            bold(card.id),
            size(fits[card.id].total_bytes),
            VERDICTS[fits[card.id].verdict],
            dim(rate(fits[card.id].decode_tokens_per_s) if card.kind == "chat" else ""),
            card.commercial_use.removeprefix("with "),
            dim(card.good_at),
        )
        for card in cards
    ]
    world.out.table(header, rows)


@models.command("show")
@click.argument("name")
@JSON
@pass_world
def show(world: World, name: str, as_data: bool) -> None:
    """Show what is known about a model."""
    with world.open() as edge:
        try:
            model = edge.models.get(name)
        except ModelNotFound as unknown:
            _show_card(world, _card(edge, name, unknown), as_data)
            return
        adapter = split_adapter(name)[1]
        if adapter is not None:
            edge.models.resolve(name)  # refuses one that was made for another base
        taught = edge.adapters.get(adapter) if adapter is not None else None
        inspection = edge.models.inspect(name)
    if as_data:
        world.out.json({"model": model, "inspection": inspection, "adapter": taught and taught.manifest})
        return
    world.out.line(bold(model.name))
    world.out.facts(
        [
            ("file", str(model.path)),
            ("size", size(model.size_bytes)),
            ("from", model.source),
            ("taught", f"{taught.name}, {taught.origin}; `edgellm adapters show {taught.name}`" if taught else ""),
            ("sha256", model.sha256 or dim("not recorded")),
            ("model", inspection.name),
            ("kind", "embedder" if inspection.shape.is_embedder else "chat"),
            ("architecture", inspection.architecture),
            ("parameters", f"{inspection.parameters / 1e6:,.0f} million"),
            ("quantization", inspection.quantization),
            ("context", f"{inspection.shape.trained_context_tokens:,} tokens"),
            ("licence", inspection.licence or ""),
            ("languages", ", ".join(inspection.languages)),
        ]
    )
    for warning in inspection.warnings:
        world.out.line(warn("note"), "  ", warning)


def _card(edge: EdgeLLM, name: str, unknown: ModelNotFound) -> ModelCard:
    """The catalogue's card. Raises: ModelNotFound with the nearest name, installed or in the catalogue."""
    try:
        return edge.models.card(name)
    except ModelNotFound:
        raise unknown from None


def _show_card(world: World, card: ModelCard, as_data: bool) -> None:
    if as_data:
        world.out.json({"card": card})
        return
    world.out.line(bold(card.id), dim("  not installed"))
    world.out.facts(
        [
            ("publisher", card.publisher),
            ("their name", card.name),
            ("kind", card.kind),
            ("source", card.source),
            ("licence", card.licence),
            ("commercial use", f"{card.commercial_use}: {card.licence_note}"),
            ("good at", card.good_at),
            ("parameters", f"{card.parameters / 1e9:.2f} billion" if card.parameters else ""),
            ("context", f"{card.context_tokens:,} tokens" if card.context_tokens else ""),
            ("languages", card.languages_note or ", ".join(card.languages)),
            ("files", ", ".join(file.quantization for file in card.files)),
            ("package", card.package),
        ]
    )
    if card.repository:
        world.err.note(f"Get it: edgellm models pull {card.id}")


@models.command("fit")
@click.argument("name")
@CONTEXT
@JSON
@pass_world
def fit(world: World, name: str, context_tokens: int | None, as_data: bool) -> int:
    """Say whether a model fits this machine; ends with 1 when it does not."""
    with world.open() as edge:
        verdict = edge.models.fit(name, context_tokens)
    if as_data:
        world.out.json(verdict)
    else:
        _show_fit(world, verdict)
    return Code.ANSWER_IS_NO if verdict.verdict == "no" else Code.DONE


def _show_fit(world: World, verdict: Fit) -> None:
    world.out.hanging((), Styled(verdict.reason, VERDICTS[verdict.verdict].role))
    world.out.facts(
        [
            ("weights", size(verdict.weights_bytes) + (f" ({verdict.quantization})" if verdict.quantization else "")),
            ("KV cache", f"{size(verdict.kv_bytes)} for {verdict.context_tokens:,} tokens"),
            ("buffers", size(verdict.buffers_bytes)),
            ("together", f"{size(verdict.total_bytes)} of {size(verdict.available_bytes)} available"),
            ("speed", "" if verdict.is_embedder else _speed(verdict)),
        ]
    )


def _speed(verdict: Fit) -> Part:
    speed = verdict.decode_tokens_per_s
    return f"about {rate(speed)}" if speed else dim("unknown: the memory bandwidth was not measured")


@models.command("add")
@click.argument("path", metavar="FILE|FOLDER", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="Call it NAME; otherwise after the file or folder.")
@click.option(
    "--type",
    "kind",
    type=click.Choice(["F16", "BF16", "F32"], case_sensitive=False),
    help="Of a folder's weights; by default BF16 for a folder in bfloat16, else F16.",
)
@DETACH
@JSON
@pass_world
def add(world: World, /, path: Path, as_data: bool, **said: Any) -> int:
    """Take a GGUF file or a folder of safetensors into the library.

    A file is inspected first. A folder in the layout of Hugging Face or MLX is converted to GGUF; one with code or
    pickles is refused.
    """
    with world.open() as edge:
        if path.is_dir():
            return _convert(world, edge, path, as_data, said)
        _refuse_for_files(said)
        world.err.status(f"inspecting {path.name}")
        model = edge.models.add(path, said["name"], progress(world))
        _tell(world, model, "added", as_data)
        if not as_data:
            _say_how_to_use(world, edge, model)
    return Code.DONE


def _refuse_for_files(said: dict[str, Any]) -> None:
    for option, value in (("--type", said["kind"]), ("--detach", said["detach"])):
        if value:
            raise click.UsageError(f"{option} is for folders; a file is taken as it is.")


def _convert(world: World, edge: EdgeLLM, folder: Path, as_data: bool, said: dict[str, Any]) -> int:
    job = edge.models.add_folder(folder, said["name"], said["kind"])
    if said["detach"]:
        return leave(world, job, as_data)
    result = wait_for(world, edge, job)
    if as_data:
        world.out.json(result)
        return Code.DONE
    model = edge.models.get(result["name"])
    _tell(world, model, "added", as_data)
    for note in result["notes"]:
        world.err.note(note)
    _say_how_to_use(world, edge, model)
    return Code.DONE


@models.command("pull")
@click.argument("reference", metavar="CARD|OWNER/REPO[/FILE]")
@click.option("--background", "as_job", is_flag=True, help="Leave it to a job, which goes on without this command.")
@JSON
@pass_world
def pull(world: World, reference: str, as_job: bool, as_data: bool) -> None:
    """Fetch a model; goes on where an earlier pull was cut off."""
    with world.open() as edge:
        if as_job:
            _pull_as_job(world, edge, reference, as_data)
            return
        model = edge.models.pull(reference, progress(world))
        _tell(world, model, "fetched", as_data)
        if not as_data:
            _say_how_to_use(world, edge, model)


def _pull_as_job(world: World, edge: EdgeLLM, reference: str, as_data: bool) -> None:
    from edgellm.hub.download import understand  # deferred: only this command needs it

    understand(reference, offline=edge.offline)
    arguments = {"reference": reference, "offline": edge.offline, "endpoint": edge.settings.hub_endpoint}
    job = edge.jobs.start("pull", f"Fetch {reference}", arguments)
    if as_data:
        world.out.json(job)
        return
    world.out.line(good("started"), "  ", bold(short(job)), "  ", job.title)
    world.err.note(f"Watch it: edgellm jobs follow {short(job)}. Stop it: edgellm jobs cancel {short(job)}")


@models.command("verify")
@click.argument("name")
@JSON
@pass_world
def verify(world: World, name: str, as_data: bool) -> None:
    """Read a model's file again and compare its SHA-256."""
    with world.open() as edge:
        model = edge.models.verify(name, progress(world))
    _tell(world, model, "unchanged", as_data)


@models.command("remove")
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@JSON
@pass_world
def remove(world: World, name: str, yes: bool, as_data: bool) -> None:
    """Delete a model's file."""
    with world.open() as edge:
        model = edge.models.get(name)
        if not world.confirms(f"Delete {model.name} ({size(model.size_bytes)})?", is_agreed=yes):
            return
        edge.models.remove(name)
    if as_data:
        world.out.json(model)
    else:
        world.err.note(f"deleted {model.name}")


def progress(world: World) -> Callable[[JobEvent], None]:
    """Draws the events of long work on standard error."""
    from edgellm.cli.progress import ProgressLine  # deferred: events need a library that help does not

    return ProgressLine(world.err)


def _tell(world: World, model: InstalledModel, what: str, as_data: bool) -> None:
    world.err.clear_status()
    if as_data:
        world.out.json(model)
        return
    world.out.line(good(what), "  ", bold(model.name), "  ", size(model.size_bytes))
    if model.sha256:
        world.out.line(dim(f"sha256 {model.sha256}"))


def _say_how_to_use(world: World, edge: EdgeLLM, model: InstalledModel) -> None:
    if edge.models.inspect(model.name).shape.is_embedder:
        world.err.note(f"Use it for vectors: edgellm settings set default_embedder {model.name}")
    else:
        world.err.note(f"Use it: edgellm chat -m {model.name}")
