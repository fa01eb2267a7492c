"""`edgellm gate`, `promote` and `rollback`: what goes live, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgellm.cli.diagnostics import Code
from edgellm.cli.eval_show import JSON, find_run
from edgellm.cli.evaluation import FOLDER, SUBJECT
from edgellm.cli.named import NAMED
from edgellm.cli.names import MODEL
from edgellm.cli.style import bad, bold, dim, good
from edgellm.cli.table import Column
from edgellm.cli.waiting import wait_for
from edgellm.cli.world import World, pass_world
from edgellm.errors import InvalidInput

if TYPE_CHECKING:
    from edgellm.evals.gate import Verdict
    from edgellm.evals.run import Run
    from edgellm.sdk.facade import EdgeLLM
    from edgellm.sdk.promotion import Moved

POLICY = click.option(
    "--policy", type=click.Path(path_type=Path), metavar="FILE", help="What must hold; default: no worse than before."
)
RUN = click.option(
    "--run", "run_id", metavar="ID", help="Decide by this evaluation of both, as when people have voted on it."
)
JUDGE = click.option("--judge", type=MODEL, metavar="MODEL", help="The model that judges where a suite asks for it.")


@click.command("gate")
@click.argument("candidate", type=MODEL)
@click.option("--against", required=True, type=MODEL, metavar=SUBJECT, help="The current version.")
@POLICY
@RUN
@JUDGE
@FOLDER
@JSON
@pass_world
def gate(world: World, /, candidate: str, policy: Path | None, as_data: bool, **said: Any) -> int:
    """Say whether a model may take the place of another, by the rules of a policy file.

    CANDIDATE is MODEL[@ADAPTER][+COLLECTION]. The policy's suites are asked of both. Exit code 1: it may not.
    """
    with world.open() as edge:
        verdict = _verdict(world, edge, candidate, policy, **said)
    if as_data:
        world.out.json(verdict)
    else:
        _show(world, verdict)
    return Code.DONE if verdict.passed else Code.ANSWER_IS_NO


@click.command("promote")
@click.argument("candidate", type=MODEL)
@click.option("--as", "alias", required=True, type=NAMED, metavar="ALIAS", help="The name that clients ask for.")
@POLICY
@RUN
@JUDGE
@FOLDER
@JSON
@pass_world
def promote(world: World, /, candidate: str, alias: str, policy: Path | None, as_data: bool, **said: Any) -> int:
    """Let an alias stand for a model that passes the gate.

    It is compared with what the alias stands for now. The next request of every client goes to it; `edgellm rollback`
    goes back. Exit code 1: it did not pass, and nothing was moved.
    """
    with world.open() as edge:
        verdict = _verdict(world, edge, candidate, policy, against=edge.promotion.current(alias), **said)
        moved = edge.promotion.promote(verdict.run, alias, policy) if verdict.passed else None
    if as_data:
        world.out.json({"promoted": moved is not None, "moved": moved, "verdict": msgspec.to_builtins(verdict)})
    else:
        _show(world, verdict)
        if moved is not None:
            _show_moved(world, moved)
    return Code.DONE if moved is not None else Code.ANSWER_IS_NO


@click.command("rollback")
@click.argument("alias", type=NAMED)
@JSON
@pass_world
def rollback(world: World, alias: str, as_data: bool) -> None:
    """Let an alias stand for what it stood for before; at once, for all clients."""
    with world.open() as edge:
        moved = edge.promotion.rollback(alias)
    if as_data:
        world.out.json(moved)
    else:
        _show_moved(world, moved)


def _verdict(
    world: World, edge: EdgeLLM, candidate: str, policy: Path | None, *, run_id: str | None, **said: Any
) -> Verdict:
    if run_id is not None:
        return edge.promotion.verdict(_run_of(edge, run_id, candidate, said["against"]).id, policy)
    job = edge.promotion.begin(candidate, policy=policy, **said)
    wait_for(world, edge, job)
    world.err.clear_status()
    return edge.promotion.verdict(job.id, policy)


def _run_of(edge: EdgeLLM, run_id: str, candidate: str, against: str | None) -> Run:
    """The run, if it judged this candidate against this version. Raises: NotFound, InvalidInput."""
    found = find_run(edge, run_id)
    names = [each.name for each in found.subjects[:2]]
    if names != ([candidate] if against is None else [candidate, against]):
        message = f"The evaluation {run_id!r} judged {' against '.join(names)}."
        hint = "Leave it out; the gate then makes one of its own."
        raise InvalidInput(message, hint=hint, field="run")
    return found


def _show(world: World, verdict: Verdict) -> None:
    header = [Column(""), Column("SUITE"), Column("MUST HOLD"), Column("FOUND", flexible=True)]
    rows = [
        (good("holds") if line.holds else bad("fails"), bold(line.suite), line.rule, dim(line.found))
        for line in verdict.lines
    ]
    world.out.table(header, rows)
    world.out.line(good("passed") if verdict.passed else bad("not passed"), "  ", dim(verdict.policy))
    world.err.note(f"The answers side by side: edgellm eval report {verdict.run[:12]}")


def _show_moved(world: World, moved: Moved) -> None:
    before = "" if moved.before is None else f", which was {moved.before}"
    world.out.line(good("live"), "  ", bold(moved.alias), f"  is {moved.target}{before}")
