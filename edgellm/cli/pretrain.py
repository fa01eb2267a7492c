"""`edgellm pretrain`: a small model and its tokenizer from a folder of texts."""

from __future__ import annotations

from typing import Any

import click

from edgellm.cli.style import bold, dim, good
from edgellm.cli.units import clock
from edgellm.cli.waiting import leave, wait_for
from edgellm.cli.world import World, pass_world
from edgellm.safetext import clean_line
from edgellm.sizes import size


@click.command("pretrain")
@click.argument("folder", metavar="FOLDER")
@click.option("--name", required=True, metavar="NAME", help="What the model is called.")
@click.option("--parameters", default="3M", show_default=True, metavar="N", help="About how many weights: 500k to 50M.")
@click.option(
    "--context",
    "context_tokens",
    type=int,
    default=256,
    show_default=True,
    metavar="N",
    help="Tokens it looks back on.",
)
@click.option("--iters", "steps", type=int, metavar="N", help="Number of steps.")
@click.option("--minutes", type=float, metavar="X", help="Time to learn instead; 10 by default.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Beginning of every random choice.")
@click.option("--detach", is_flag=True, help="Leave it to a job, which goes on without this command.")
@click.option("--json", "as_data", is_flag=True, help="Print JSON.")
@pass_world
def pretrain(world: World, /, folder: str, detach: bool, as_data: bool, **said: Any) -> int | None:
    """Make a small model and its tokenizer from a folder of texts.

    FOLDER holds .txt and .md files. The model learns to continue such texts, not to follow instructions. Ctrl+C stops
    after the step; `edgellm jobs resume` goes on.
    """
    from edgellm.pretrain.shape import parameters_from  # deferred: only this command needs them
    from edgellm.sdk.pretraining import PretrainRequest

    said["parameters"] = parameters_from(said["parameters"])
    with world.open() as edge:
        job = edge.pretraining.start(PretrainRequest(folder=folder, **said))
        if detach:
            return leave(world, job, as_data)
        result = wait_for(world, edge, job)
    _show(world, result, as_data)
    return None


def _show(world: World, result: dict[str, Any], as_data: bool) -> None:
    if as_data:
        world.out.json(result)
        return
    losses = result["losses"]
    on_held_out = f", {losses['valid_best']:.2f} on held-out text" if "valid_best" in losses else ""
    world.out.line(
        good("made"), "  ", bold(result["model"]), "  ", f"{result['parameters'] / 1e6:.1f} million parameters, ",
        f"loss {losses['first']:.2f} to {losses['last']:.2f}{on_held_out}",
    )  # fmt: skip
    read = f"{result['chars'] / 1e6:.1f} million characters in {result['files']} files, {result['epochs']:.1f} times"
    speed = f"{clock(result['train_s'])}, {result['tokens_per_s']:.0f} tokens a second"
    world.out.line(dim(f"{read}; {speed}, {size(result['peak_memory_bytes'])} at the peak"))
    if result["sample"]:
        world.out.line(clean_line(result["sample"]))
    for note in result["notes"]:
        world.err.note(clean_line(note))
    world.err.note(f"Let it write: edgellm chat -m {result['model']}")
