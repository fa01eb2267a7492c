"""`edgellm train`: a model taught from examples, on this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from edgellm.cli.ids import short
from edgellm.cli.jobs import find_job
from edgellm.cli.lazy import OrderedGroup
from edgellm.cli.style import bold, dim, good
from edgellm.cli.table import Column
from edgellm.cli.units import clock, moment
from edgellm.cli.waiting import leave, wait_for
from edgellm.cli.world import World, pass_world
from edgellm.sizes import size

if TYPE_CHECKING:
    from edgellm.train.settings import TrainSettings

JSON = click.option("--json", "as_data", is_flag=True, help="Print JSON.")
DETACH = click.option("--detach", is_flag=True, help="Leave it to a job, which goes on without this command.")


@click.group("train", cls=OrderedGroup)
def train() -> None:
    """Teach a model from examples, on this machine.

    What it learns is an adapter, used as MODEL@NAME; by the methods dora and full a model of its own, used as NAME.
    """


def _with_settings(command: Any) -> Any:
    """What `run` and `plan` both take."""
    options = [
        click.option("--data", required=True, metavar="PATH", help="A dataset, a file of examples, or drafts:NAME."),
        click.option("--columns", metavar="PART=COLUMN,…", help="Which of a file's columns is what; see docs/data.md."),
        click.option(
            "--base",
            default="starter",
            show_default=True,
            metavar="MODEL",
            help="The model that learns, or MODEL@ADAPTER to go on with an adapter.",
        ),
        click.option("--preset", default="balanced", show_default=True, help="quick, balanced or best."),
        click.option(
            "--iters", "steps", type=int, metavar="N", help="Number of steps; by default the preset's epochs."
        ),
        click.option("--epochs", type=float, metavar="X", help="How often each row is read."),
        click.option(
            "--method", type=click.Choice(["lora", "qlora", "dora", "full"]), help="What learns; lora by default."
        ),
        click.option(
            "--objective",
            type=click.Choice(["sft", "dpo", "orpo", "kto"]),
            help="sft: imitate answers (default); dpo, orpo: of two, prefer one; kto: judgements of single answers.",
        ),
        click.option("--beta", type=float, metavar="X", help="How closely dpo and kto keep to what the model was."),
        click.option("--rank", type=int, metavar="N", help="Width of the adapter."),
        click.option("--layers", type=int, metavar="N", help="How many layers, from the top, learn."),
        click.option("--learning-rate", type=float, metavar="X", help="Largest step width."),
        click.option("--batch-rows", type=int, metavar="N", help="Rows in one step."),
        click.option("--seed", type=int, metavar="N", help="Beginning of every random choice."),
        click.option(
            "--set", "sets", multiple=True, metavar="NAME=VALUE", help="Any other setting; see docs/train.md."
        ),
        click.option(
            "--ranks", type=int, default=1, show_default=True, metavar="N", help="Processes that share a batch."
        ),
        click.option(
            "--hosts", type=click.File(), metavar="FILE", help="Machines that share a batch; see docs/train.md."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@train.command("run")
@click.option("--name", required=True, metavar="NAME", help="What the adapter or model is called.")
@_with_settings
@DETACH
@JSON
@pass_world
def run(world: World, /, detach: bool, as_data: bool, **said: Any) -> int | None:
    """Teach a model, and wait for it; Ctrl+C stops after the step, and the job can be resumed."""
    settings = _settings(said)
    with world.open() as edge:
        job = edge.training.start(said["data"], said["base"], said["name"], settings, **_around(said))
        if detach:
            return leave(world, job, as_data)
        result = wait_for(world, edge, job)
    _show(world, result, as_data)
    return None


@train.command("plan")
@_with_settings
@JSON
@pass_world
def plan(world: World, /, as_data: bool, **said: Any) -> None:
    """Say what a run would take: memory, steps, and time, measured on a few of them."""
    settings = _settings(said)
    with world.open() as edge:
        job = edge.training.plan(said["data"], said["base"], settings, **_around(said))
        result = wait_for(world, edge, job)
    if as_data:
        world.out.json(result)
        return
    memory = f"{size(result['total_bytes'])} of {size(result['available_bytes'])}, {result['verdict']}"
    if result["is_recomputed"]:
        memory += "; layers are computed again in the backward pass, which takes longer"
    world.out.facts(
        [
            *([("examples", "; ".join(result["data_notes"]))] if result["data_notes"] else []),  # preferences have none
            ("rows", f"{result['rows']}, {result['tokens']} tokens, {result['targets']} of them to be predicted"),
            ("cut", f"{result['cut_rows']} rows are longer than the context" if result["cut_rows"] else "no row"),
            ("left out", _left_out(result) or "no row"),
            ("steps", str(result["steps"])),
            ("learns", f"{result['learning_weights'] / 1e6:.1f} million weights"),
            ("memory", memory),
            ("time", f"about {clock(result['seconds'])}, {result['step_s']:.1f} s a step"),
        ]
    )


@train.command("list")
@JSON
@pass_world
def list_runs(world: World, as_data: bool) -> None:
    """List training jobs, newest first."""
    with world.open() as edge:
        found = edge.training.list()
    if as_data:
        world.out.json(found)
    elif not found:
        world.err.note("Nothing was trained yet; `edgellm train run --data FILE --name NAME` does.")
    else:
        now = time.time()
        header = [Column("ID"), Column("STATE"), Column("BEGUN"), Column("TITLE", flexible=True)]
        rows = [(short(job), str(job.state), dim(moment(job.created_at, now)), job.title) for job in found]
        world.out.table(header, rows)


@train.command("show")
@click.argument("job_id", metavar="ID")
@JSON
@pass_world
def show(world: World, job_id: str, as_data: bool) -> None:
    """Show a training job: its settings, and what came out."""
    with world.open() as edge:
        job = find_job(edge, job_id)
    if as_data:
        world.out.json(job)
        return
    facts = [("title", job.title), ("state", str(job.state)), ("error", job.message or "")]
    facts += [(name, str(value)) for name, value in job.arguments.items() if name != "settings"]
    facts += [(name, str(value)) for name, value in job.arguments.get("settings", {}).items()]
    facts += [(name, str(value)) for name, value in (job.result or {}).items()]
    world.out.facts(facts)


@train.command("resume")
@click.argument("job_id", metavar="ID")
@DETACH
@JSON
@pass_world
def resume(world: World, job_id: str, detach: bool, as_data: bool) -> int | None:
    """Go on with a run that was stopped or broke off, from its last checkpoint."""
    with world.open() as edge:
        job = edge.jobs.resume(find_job(edge, job_id).id)
        if detach:
            return leave(world, job, as_data)
        result = wait_for(world, edge, job)
    _show(world, result, as_data)
    return None


@train.command("join", hidden=True)
def join() -> int:
    """Take part in a run that another machine has begun; it starts this over ssh."""
    import os

    from edgellm.paths import home_from
    from edgellm.sdk.inspections import library_in
    from edgellm.train.joining import join as take_part  # deferred: only this command needs it

    home = home_from(os.environ)
    return take_part(open(0, "rb", buffering=0, closefd=False), library_in(home), home.cache)


def _around(said: dict[str, Any]) -> dict[str, Any]:
    """What a run and its plan are told besides the settings: how the file is read, and who shares a batch."""
    hosts = said["hosts"].read() if said["hosts"] else ""
    return {"columns": said["columns"], "ranks": said["ranks"], "hosts": hosts}


def _settings(said: dict[str, Any]) -> TrainSettings:
    from edgellm.train.settings import from_text, settings_for  # deferred: only this command needs it

    names = ("epochs", "steps", "method", "objective", "beta", "rank", "layers", "learning_rate", "batch_rows", "seed")
    named = {name: said[name] for name in names if said[name] is not None}
    return settings_for(said["preset"], **named, **dict(map(from_text, said["sets"])))


def _show(world: World, result: dict[str, Any], as_data: bool) -> None:
    if as_data:
        world.out.json(result)
        return
    losses = result["losses"]
    world.out.line(
        good("learnt"), "  ", bold(result["model"]), "  ", f"loss {losses['first']:.2f} to {losses['last']:.3f}"
    )
    facts = f"{clock(result['train_s'])}, {result['tokens_per_s']:.0f} tokens a second"
    world.out.line(dim(f"{facts}, {size(result['peak_memory_bytes'])} at the peak"))
    if checked := result.get("verification"):  # nor have they this
        world.out.line(dim(f"in llama.cpp {checked['kl']:.1g} nats a token from it, {checked['limit']:g} allowed"))
    if notes := result.get("data_notes"):  # results from before they were kept have none
        world.err.note(f"Examples: {'; '.join(notes)}.")
    if left_out := _left_out(result):
        world.err.note(f"Left out: {left_out}")
    if "preference" in result:
        _show_preference(world, result["preference"], losses)
    world.err.note(f"Talk to it: edgellm chat -m {result['model']}")


def _left_out(result: dict[str, Any]) -> str:
    """How many rows teach nothing, and why the first of them does not; empty where all do."""
    rows = result.get("left_out_rows", 0)  # results from before this was kept say nothing of it
    words = "1 row teaches" if rows == 1 else f"{rows:,} rows teach"
    return f"{words} nothing; the first: {result['left_out_why']}" if rows else ""


def _show_preference(world: World, found: dict[str, Any], losses: dict[str, float]) -> None:
    """What was measured on the rows that were held out, and which rows could not be used."""
    margin = f"margin {losses['valid_margin_first']:.2f} to {losses['valid_margin_last']:.2f}"
    right = f"{losses['valid_accuracy_last']:.0%} judged right"
    kl = f", {losses['valid_kl_last']:.3f} nats a token from the reference" if "valid_kl_last" in losses else ""
    world.out.line(f"on {found['held_out']} held-out rows: {margin}, {right}{kl}")
    if found["left_out"]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in found["left_out"].items())
        world.err.note(f"Left out: {reasons}.")
    for note in found["notes"]:
        world.err.note(note)
