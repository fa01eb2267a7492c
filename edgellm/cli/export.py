"""`edgellm export` and `edgellm quants`: a model as verified files, and which quantization to choose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgellm.cli.diagnostics import Code
from edgellm.cli.quants_show import MEASURES, measures, show_comparison
from edgellm.cli.style import Part, bad, bold, dim, good
from edgellm.cli.table import Column
from edgellm.cli.waiting import leave, wait_for
from edgellm.cli.world import World, pass_world
from edgellm.sizes import size

JSON = click.option("--json", "as_data", is_flag=True, help="Print JSON.")
TEXT = click.option(
    "--text", type=click.Path(), metavar="FILE", help="A text like the model's work, to calibrate and verify with."
)
DETACH = click.option("--detach", is_flag=True, help="Leave it to a job, which goes on without this command.")
KINDS = ("gguf", "hf", "mlx", "peft")


@click.command("export")
@click.argument("model", metavar="MODEL[@ADAPTER]")
@click.option("--to", type=click.Choice(KINDS), default="gguf", show_default=True, help="What to make.")
@click.option(
    "--quant",
    "quants",
    metavar="Q,Q,…",
    help="Quantizations, Q4_K_M by default; of hf and mlx F16, BF16 or F32, by default as the model has it.",
)
@TEXT
@click.option("--out", type=click.Path(), metavar="FOLDER", help="A folder that does not exist yet.")
@DETACH
@JSON
@pass_world
def export(world: World, /, model: str, as_data: bool, detach: bool, **said: Any) -> int:
    """Package a model, and what it was taught, as files that are verified.

    gguf: files for llama.cpp. hf, mlx: the folder that Hugging Face libraries and vLLM, or mlx_lm, open. peft: the
    adapter alone.

    Each is compared with the model at full precision; manifest.json and card.md beside it say how close it is. Ends
    with 1 when a file is further away than its type may be.
    """
    with world.open() as edge:
        job = edge.exports.start(model, said["quants"], to=said["to"], text=said["text"], out=said["out"])
        if detach:
            return leave(world, job, as_data)
        result = wait_for(world, edge, job)
    if as_data:
        world.out.json(result)
    else:
        _show_files(world, result)
    return Code.DONE if result["passed"] else Code.ANSWER_IS_NO


@click.command("quants")
@click.argument("model", metavar="MODEL[@ADAPTER]")
@click.option("--quant", "quants", metavar="Q,Q,…", help="Quantizations; by default the usual ones.")
@TEXT
@click.option(
    "--suite",
    metavar="NAME_OR_FILE",
    help="Ask each this suite of questions, too; `edgellm eval suites` shows which there are.",
)
@DETACH
@JSON
@pass_world
def quants(world: World, /, model: str, as_data: bool, detach: bool, **said: Any) -> int:
    """Compare quantizations of a model, and say which to use here.

    Each is made, measured against full precision and removed again. With a suite, each answers its questions, and one
    that is clearly worse than the best at them is not recommended.
    """
    from edgellm.sdk.exports import COMPARED

    with world.open() as edge:
        job = edge.exports.compare(model, said["quants"] or COMPARED, text=said["text"], suite=said["suite"])
        if detach:
            return leave(world, job, as_data)
        result = wait_for(world, edge, job)
    if as_data:
        world.out.json(result)
    else:
        show_comparison(world, result)
    return Code.DONE


def _show_files(world: World, result: dict[str, Any]) -> None:
    header = [Column("FILE"), Column("SIZE", right=True), Column("VERDICT"), *MEASURES]
    rows: list[tuple[Part, ...]] = [
        (bold(file["file"]), size(file["size_bytes"]), _verdict(file), *measures(file)) for file in result["files"]
    ]
    world.out.table(header, rows)
    world.out.line(dim(result["path"]))
    world.err.note(_use(result))
    for file in result["files"]:
        for problem in file["verification"]["problems"]:
            world.err.warn(f"{file['quantization']}: {problem}")
        if file["note"]:
            world.err.note(f"{file['quantization']}: {file['note']}")


def _use(result: dict[str, Any]) -> str:
    path, name = result["path"], result["name"]
    match result["kind"]:
        case "hf":
            return f"Open it with transformers (from_pretrained) or serve it: vllm serve {path}"
        case "mlx":
            return f"Use it: mlx_lm.chat --model {path}"
        case "peft":
            return f"Open it with peft (from_pretrained) or serve it: vllm serve BASE --lora-modules {name}={path}"
    return f"Use it: edgellm chat -m {Path(path) / result['files'][0]['file']}"


def _verdict(file: dict[str, Any]) -> Part:
    return good("passed") if file["verification"]["passed"] else bad("failed")
