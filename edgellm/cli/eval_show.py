"""An evaluation as a command shows it: scores, comparisons, what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from edgellm.cli.ids import by_beginning
from edgellm.cli.style import Part, bad, bold, dim, good
from edgellm.cli.table import Column
from edgellm.cli.world import World
from edgellm.errors import NotFound

if TYPE_CHECKING:
    from edgellm.evals.outcome import Compared, Outcome
    from edgellm.evals.run import Run
    from edgellm.evals.suite import Suite
    from edgellm.sdk.facade import EdgeLLM

JSON = click.option("--json", "as_data", is_flag=True, help="Print JSON.")


def find_run(edge: EdgeLLM, wanted: str) -> Run:
    """The run with this id, or the only one whose id begins so. Raises: NotFound, InvalidInput."""
    found = by_beginning(wanted, edge.evals.list())
    if found is None:
        raise NotFound(f"No evaluation has the id {wanted!r}.", hint="`edgellm eval list` shows them.")
    return found


def show_run(world: World, run: Run) -> None:
    """Every score with its interval, and what the comparisons say."""
    from edgellm.evals.report import wording

    header = [
        Column("SUITE"),
        Column("OF"),
        Column("CASES", right=True),
        Column("SCORE (95 %)"),
        Column("MEASURED", flexible=True),
    ]
    rows: list[tuple[Part, ...]] = [
        (
            bold(each.suite),
            each.subject,
            f"{each.tally.cases}",
            wording.score(each.tally),
            dim(", ".join(_measures(each))),
        )
        for each in run.outcomes
    ]
    world.out.table(header, rows)
    for each in run.comparisons:
        world.out.line(
            _word(each), "  ", bold(each.suite), f" against {each.baseline}  ", dim(wording.difference(each))
        )
    if run.speeds is not None:
        world.out.line("speed  ", dim(wording.speeds(run.speeds)))
    world.err.note(f"Not measured: {' '.join(run.not_measured)}")


def in_short(run: Run) -> dict[str, Any]:
    """A run in a list, as JSON values."""
    return {
        "id": run.id,
        "created": run.created,
        "subjects": [each.name for each in run.subjects],
        "suites": [each.name for each in run.suites],
        "scores": [
            {
                "suite": each.suite,
                "subject": each.subject,
                "score": None if each.tally.score is None else each.tally.score.mean,
            }
            for each in run.outcomes
        ],
    }


def suite_in_short(suite: Suite) -> dict[str, Any]:
    """A suite in a list, as JSON values."""
    return {
        "name": suite.name,
        "version": suite.version,
        "description": suite.description,
        "path": suite.path,
        "sha256": suite.sha256,
        "cases": len(suite.cases),
        "scores": sorted({case.score for case in suite.cases}),
    }


def _measures(outcome: Outcome) -> Iterator[str]:
    from edgellm.evals.report import wording

    for name, value in outcome.measures.items():
        yield f"{wording.label(name)} {wording.measure(name, value)}"


def _word(compared: Compared) -> Part:
    if compared.word == "better":
        return good(compared.word)
    return bad(compared.word) if compared.word == "worse" else dim(compared.word)
