"""`edgellm data`: examples checked, and turned into datasets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgellm.cli import drafts
from edgellm.cli.diagnostics import Code, with_option
from edgellm.cli.lazy import OrderedGroup
from edgellm.cli.style import Part, bad, bold, dim, good, warn
from edgellm.cli.table import Column
from edgellm.cli.units import count
from edgellm.cli.world import World, pass_world
from edgellm.errors import InvalidInput
from edgellm.sizes import size

if TYPE_CHECKING:
    from edgellm.data.dataset import Manifest
    from edgellm.data.report import Report, Tokens
    from edgellm.sdk.datasets import ReadOptions

JSON = click.option("--json", "as_data", is_flag=True, help="Print JSON.")
KEEP_OR_DROP = click.Choice(["keep", "drop"])
KINDS = (
    "email, phone, card, iban, aadhaar, indian_pan, us_ssn, brazilian_cpf, spanish_dni, polish_pesel, dutch_bsn, "
    "french_nir"
)
READING = (
    click.option("--columns", metavar="PART=COLUMN,…", help="Which column is what: prompt=Question,completion=Answer."),
    click.option(
        "--chats",
        type=click.Choice(["corrected", "liked", "all"]),
        help="Add your own chats: corrected answers, liked and corrected ones, or all.",
    ),
    click.option("-m", "--model", metavar="MODEL", help="Measure rows in this model's own tokens."),
    click.option(
        "--context", "context_tokens", type=int, default=1024, show_default=True, metavar="N", help="Tokens of a row."
    ),
    click.option("--long-rows", type=KEEP_OR_DROP, default="keep", show_default=True, help="Rows over the context."),
    click.option("--short-answers", type=KEEP_OR_DROP, default="drop", show_default=True, help="Answers of one word."),
    click.option(
        "--near-duplicates", type=KEEP_OR_DROP, default="drop", show_default=True, help="Rows nearly the same."
    ),
    click.option(
        "--personal",
        multiple=True,
        metavar="KIND=ACTION",
        help=f"keep, mask (the default) or drop; KIND: all, {KINDS}.",
    ),
    click.option("--region", metavar="CC", help="Country whose national phone numbers are found too: IN, DE, US."),
    click.option("--language", "languages", multiple=True, metavar="CODE", help="Keep only this language: en, hi, ta."),
)
"""Options of every command that reads examples, in the order of the help."""


def _reads(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(READING):
        command = option(command)
    return command


@click.group("data", cls=OrderedGroup)
def data() -> None:
    """Check examples and turn them into datasets to train on.

    FILE is JSONL, JSON, CSV, TSV, Parquet, a text, a folder of texts, or drafts:NAME. A dataset is a folder with the
    rows in three splits, every dropped row with its reason, a manifest and a card.
    """


for command in (drafts.draft, drafts.review, drafts.list_drafts):
    data.add_command(command)


@data.command("check")
@click.argument("files", nargs=-1, metavar="FILE...")
@_reads
@JSON
@pass_world
def check(world: World, /, files: tuple[str, ...], as_data: bool, **said: Any) -> int:
    """Say what a dataset of these files would be; ends with 1 when none can be built."""
    with world.open() as edge:
        report = edge.datasets.check(files, **_options(world, said))
    world.err.clear_status()
    if as_data:
        world.out.json({"can_be_built": report.can_be_built, "report": report})
    else:
        _show_report(world, report)
    return Code.DONE if report.can_be_built else Code.ANSWER_IS_NO


@data.command("build")
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option("--name", required=True, metavar="NAME", help="What the dataset is called.")
@click.option("--replace", is_flag=True, help="Take the place of a dataset of this name.")
@_reads
@JSON
@pass_world
def build(world: World, /, files: tuple[str, ...], name: str, replace: bool, as_data: bool, **said: Any) -> None:
    """Read examples and keep them as a dataset."""
    with world.open() as edge:
        dataset = edge.datasets.build(files, name, replace=replace, **_options(world, said))
    world.err.clear_status()
    if as_data:
        world.out.json({"path": dataset.folder, "manifest": dataset.manifest})
        return
    manifest = dataset.manifest
    world.out.line(good("built"), "  ", bold(name), "  ", _split_line(manifest))
    world.out.line(dim(str(dataset.folder)))
    left_out = manifest.counts.read - manifest.counts.kept
    if left_out:
        world.err.note(f"{count(left_out, 'row')} left out; dropped.jsonl in this folder says which and why.")


@data.command("list")
@JSON
@pass_world
def list_datasets(world: World, as_data: bool) -> None:
    """List datasets."""
    with world.open() as edge:
        found, damaged = edge.datasets.list(), edge.datasets.damaged()
    if as_data:
        world.out.json([*found, *damaged])
    elif not found and not damaged:
        world.err.note("No dataset yet; `edgellm data build FILE --name NAME` makes one.")
    else:
        header = [Column("DATASET"), Column("ROWS", right=True), Column("MADE"), Column("FROM", flexible=True)]
        rows = [(bold(each.name), f"{each.counts.kept:,}", each.created[:10], dim(_origin(each))) for each in found]
        rows += [(bold(each.name), "", "", bad(each.reason)) for each in damaged]
        world.out.table(header, rows)


@data.command("show")
@click.argument("name")
@JSON
@pass_world
def show(world: World, name: str, as_data: bool) -> None:
    """Show a dataset's card, its files verified."""
    from edgellm.data.card import card  # deferred: only this command needs it

    with world.open() as edge:
        dataset = edge.datasets.show(name)
    if as_data:
        world.out.json({"path": dataset.folder, "manifest": dataset.manifest})
    else:
        world.out.text(card(dataset.manifest))


@data.command("remove")
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@JSON
@pass_world
def remove(world: World, name: str, yes: bool, as_data: bool) -> None:
    """Delete a dataset, or drafts: `drafts:NAME`."""
    from edgellm.data.draft_source import PREFIX  # deferred: only this command needs it

    with world.open() as edge:
        if not world.confirms(f"Delete {name}?", is_agreed=yes):
            return
        if name.startswith(PREFIX):
            edge.drafts.remove(name.removeprefix(PREFIX))
        else:
            edge.datasets.remove(name)
    if as_data:
        world.out.json({"removed": name})
    else:
        world.err.note(f"deleted {name}")


def _options(world: World, said: dict[str, Any]) -> ReadOptions:
    """The SDK's options from the command line's. Raises: InvalidInput."""
    from edgellm.cli.progress import ProgressLine  # deferred: help needs neither
    from edgellm.data.rules import Rules

    rules = Rules(
        short_answers=said["short_answers"],
        near_duplicates=said["near_duplicates"],
        long_rows=said["long_rows"],
        context_tokens=said["context_tokens"],
        languages=said["languages"],
        phone_region=said["region"],
        personal=_personal(said["personal"]),
    )
    return {
        "columns": said["columns"],
        "chats": said["chats"],
        "model": said["model"],
        "rules": rules,
        "on_event": ProgressLine(world.err),
    }


def _personal(pairs: tuple[str, ...]) -> dict[Any, Any]:
    """`all=keep`, `email=drop`, ... as a mapping; later ones win. Raises: InvalidInput."""
    from edgellm.data.rules import Action, Kind

    chosen: dict[Kind, Action] = {}
    for pair in pairs:
        name, _, action = pair.partition("=")
        if name not in ("all", *Kind) or action not in list(Action):
            hint = f"Write KIND=ACTION: email=drop. Kinds: all, {KINDS}. Actions: keep, mask, drop."
            raise InvalidInput(f"--personal does not understand {pair!r}.", hint=hint, field="personal")
        chosen |= {kind: Action(action) for kind in Kind if name in ("all", kind)}
    return chosen


def _show_report(world: World, report: Report) -> None:
    for source in report.sources:
        if source.why:
            _show_source(world, source.path, f"{source.format}: {source.why}", source.schema, source.notes)
    for problem in report.problems:
        world.out.hanging((bad("error"), "  "), problem.message)
        if problem.hint:
            world.out.hanging((dim("hint"), "   "), with_option(problem.hint, problem.remedy))
    counts = report.counts
    world.out.line()
    world.out.line(bold(f"{counts.kept:,} of {count(counts.read, 'row')} would be kept"), "  ", dim(_splits(report)))
    _show_dropped(world, report)
    world.out.facts(_findings(report))
    if report.tokens is not None:
        world.out.line()
        _show_tokens(world, report.tokens)


def _show_source(world: World, path: str, detected: str, schema: str, notes: list[str]) -> None:
    world.out.line(bold(path))
    world.out.facts([("format", detected), ("rows are", schema), ("noted", "; ".join(notes))])


def _show_dropped(world: World, report: Report) -> None:
    from edgellm.data.card import REASONS

    for reason, number in report.counts.dropped.items():
        world.out.line(warn(f"{number:,} dropped"), f"  {REASONS[reason]}")
        for drop in report.examples[reason]:
            world.out.hanging(("    ", dim(str(drop.source)), "  "), drop.detail)


def _findings(report: Report) -> list[tuple[str, Part]]:
    personal = ", ".join(f"{found.kind.value} {found.matches:,} ({found.action.value})" for found in report.personal)
    languages = ", ".join(f"{code} {rows:,}" for code, rows in list(report.languages.items())[:8])
    groups = f"{count(report.groups, 'group')} of rows alike, each kept in one split" if report.groups else ""
    return [("personal data", personal), ("languages", languages), ("alike", groups)]


def _show_tokens(world: World, tokens: Tokens) -> None:
    names = ("SPLIT", "ROWS", "MIN", "MEDIAN", "95 %", "MAX", "TOTAL", "TOO LONG", "CUT")
    header = [Column(name, right=name != "SPLIT") for name in names]
    rows: list[tuple[Part, ...]] = []
    for split, found in tokens.splits.items():
        numbers = (found.rows, found.min, found.median, found.p95, found.max, found.total, found.over_context_rows)
        rows.append((split, *(f"{number:,}" for number in numbers), f"{found.cut_share:.1%}"))
    world.out.table(header, rows)
    world.out.line(dim(f"tokens of {tokens.model}; the context is {tokens.context_tokens:,}"))


def _splits(report: Report) -> str:
    return ", ".join(f"{name} {rows:,}" for name, rows in report.counts.splits.items())


def _split_line(manifest: Manifest) -> str:
    total = sum(split.bytes for split in manifest.splits.values())
    return ", ".join(f"{name} {split.rows:,}" for name, split in manifest.splits.items()) + f"  {size(total)}"


def _origin(manifest: Manifest) -> str:
    return ", ".join(Path(source.path).name for source in manifest.sources)
