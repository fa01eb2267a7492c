"""`edgellm monitor`: what is asked, how it is answered, and whether that changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgellm.cli.style import Part, bad, bold, dim
from edgellm.cli.table import Column
from edgellm.cli.world import World, pass_world

if TYPE_CHECKING:
    from edgellm.monitor.values import Drift, Monitored
    from edgellm.sdk.monitoring import Form

FORMS: dict[str, Form] = {".html": "html", ".htm": "html", ".md": "markdown", ".prom": "prometheus"}
SHOWN = 5
"""Farthest questions in the terminal."""


@click.command("monitor")
@click.option(
    "--days",
    type=click.FloatRange(min=0, min_open=True, max=3650),
    default=30.0,
    show_default=True,
    metavar="N",
    help="Length of the period; it is compared with as many days before.",
)
@click.option("--tenant", metavar="NAME", help="Only a key's questions, by its name or id; '' for this machine's own.")
@click.option(
    "--seed", type=int, default=0, show_default=True, metavar="N", help="Draws questions where there are many."
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write it there: .html, .md or .prom."
)
@click.option("--json", "as_data", is_flag=True, help="Print JSON.")
@pass_world
def monitor(world: World, /, out: Path | None, as_data: bool, **said: Any) -> None:
    """Show what is asked, how it is answered, and whether that changes.

    Questions by topic, answer rate, answers without evidence, ratings by week, latency, and the drift of questions
    away from what the adapter in use was taught and from the documents that are asked. Nothing leaves this machine;
    personal data in questions is masked.
    """
    form = None if out is None else FORMS.get(out.suffix.lower())
    if out is not None and form is None:
        raise click.UsageError(f"{out.name!r} is no kind of file that is written: name it .html, .md or .prom.")

    def tell(doing: str, done: int, total: int) -> None:
        world.err.status(f"{doing}: {done:,} of {total:,}" if total else doing)

    with world.open() as edge:
        found = edge.monitor.report(**said, on_progress=tell)
        world.err.clear_status()
        if out is not None and form is not None:
            from edgellm.paths import write_private

            write_private(out.absolute(), edge.monitor.page(found, form).encode())
    if as_data:
        world.out.json(found)
    elif out is not None:
        world.out.line(str(out.absolute()))
    else:
        _show(world, found)


def _show(world: World, found: Monitored) -> None:
    from edgellm.monitor.report import wording

    world.out.line(bold(wording.period(found)), "  ", dim(wording.whose(found)))
    world.out.facts(wording.rates(found))
    _show_topics(world, found)
    rated = [(week.week, wording.rated(week)) for week in found.weeks if week.liked.of or week.corrected]
    if rated:
        world.out.line("")
        world.out.table([Column("WEEK FROM"), Column("RATED UP (95 %)")], rated)
    if found.latency:
        world.out.line("")
        header = [Column("MODEL", flexible=True), Column("FIRST TOKEN: 50, 90, 99 %"), Column("WHOLE ANSWER")]
        rows = [(bold(each.model), wording.spread(each.first), wording.spread(each.whole)) for each in found.latency]
        world.out.table(header, rows)
    for each in found.drift:
        world.out.line("")
        _show_drift(world, each)
    for note in found.notes:
        world.err.note(note)


def _show_topics(world: World, found: Monitored) -> None:
    from edgellm.monitor.report import wording

    if found.topics:
        world.out.line("")
        header = [
            Column("TOPIC", flexible=True),
            *(Column(title, right=True) for title in ("QUESTIONS", "SHARE", "BEFORE", "NO EVIDENCE", "RATED DOWN")),
        ]
        rows: list[tuple[Part, ...]] = [
            (
                bold(wording.label(each)),
                f"{each.questions:,}",
                wording.part(each.share),
                wording.part(each.previous),
                f"{each.weak:,}" if each.weak else "",
                bad(f"{each.disliked:,}") if each.disliked else "",
            )
            for each in found.topics
        ]
        world.out.table(header, rows)
    world.err.note(wording.looked(found.looked) if found.looked.questions else wording.FIRST_REPORT)


def _show_drift(world: World, found: Drift) -> None:
    from edgellm.monitor.report import wording

    world.out.line(bold(wording.reference(found)), "  ", wording.drift(found))
    rows = [(dim(f"{far.distance:.2f}"), far.question) for far in found.farthest[:SHOWN]]
    if rows:
        world.out.table([Column("DISTANCE", right=True), Column("FARTHEST QUESTIONS", flexible=True)], rows)
