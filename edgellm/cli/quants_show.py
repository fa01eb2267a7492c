"""Quantizations side by side as `edgellm quants` shows them: measures, scores at a task, which to use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edgellm.cli.style import Part, bad, bold, dim, good, warn
from edgellm.cli.table import Column
from edgellm.cli.world import World
from edgellm.sizes import size

PLOT_COLUMNS = 24
WORST_KL = 1.0
BEST_KL = 0.001
MEASURES = [
    Column("KL", right=True),
    Column("SAME TOP", right=True),
    Column("PERPLEXITY", right=True),
    Column("TOK/S", right=True),
]


def measures(file: Mapping[str, Any]) -> tuple[Part, ...]:
    """A file's cells below `MEASURES`."""
    found = file["verification"]["comparison"]
    speed = file["verification"]["tokens_per_s"]
    return (f"{found['kl_mean']:.4f}", f"{found['top1']:.1%}", f"{found['ppl_candidate']:.2f}", f"{speed:.0f}")


def show_comparison(world: World, result: Mapping[str, Any]) -> None:
    """The whole result of a comparison."""
    files, task = result["files"], result.get("task")
    scores = {each["quantization"]: each for each in task["scores"]} if task else {}
    shown = [Column("SCORE", right=True)] if task else []
    header = [Column("QUANT"), Column("SIZE", right=True), *shown, *MEASURES, Column("CLOSENESS TO FULL PRECISION")]
    rows: list[tuple[Part, ...]] = [
        (
            bold(file["quantization"]),
            size(file["size_bytes"]),
            *([_score(scores[file["quantization"]])] if task else []),
            *measures(file),
            _plot(file),
        )
        for file in files
    ]
    world.out.table(header, rows)
    reference = files[0]["verification"]["comparison"]["ppl_reference"]
    world.out.line(dim(f"full precision has a perplexity of {reference:.2f}; text: {_text(result['text'])}"))
    if task:
        _show_task(world, task)
    world.out.line()
    world.out.hanging((good("use"), "  ", bold(result["recommended"]), "  "), result["reason"])


def _text(used: Mapping[str, Any]) -> str:
    return str(used.get("held_out_source") or used["source"])


def _plot(file: Mapping[str, Any]) -> Part:
    """A bar: full at a KL of `BEST_KL`, empty at `WORST_KL`, a third shorter for each factor of ten."""
    from edgellm.cli.progress import bar  # deferred: help needs none of it

    kl = min(WORST_KL, max(BEST_KL, file["verification"]["comparison"]["kl_mean"]))
    drawn = bar(math.log(WORST_KL / kl) / math.log(WORST_KL / BEST_KL), PLOT_COLUMNS)
    return good(drawn) if file["verification"]["passed"] else warn(drawn)


def _show_task(world: World, task: Mapping[str, Any]) -> None:
    """Every score with its interval, and the paired one against the best."""
    best = next((each["quantization"] for each in task["scores"] if each["verdict"] == "best"), "none")
    world.out.line()
    world.out.line(f"{task['suite']}, {task['cases']} questions, the same for each:")
    header = [Column("QUANT"), Column("SCORE (95 %)"), Column(f"AGAINST {best}"), Column("VERDICT"), Column("")]
    world.out.table(header, [_task_row(each) for each in task["scores"]])
    for each in task["scores"]:
        if each["reason"]:
            world.err.warn(f"{each['quantization']} was not asked: {each['reason']}")


def _task_row(each: Mapping[str, Any]) -> tuple[Part, ...]:
    from edgellm.cli.progress import bar  # deferred, as above

    score, against = each["score"], each["against_best"]
    is_worse = each["verdict"] == "clearly worse"
    drawn = bar(score["mean"] if score else 0.0, PLOT_COLUMNS)
    return (
        bold(each["quantization"]),
        f"{score['mean']:.1%} ({100 * score['low']:.1f} to {100 * score['high']:.1f})" if score else "–",
        _points(against) if against else "",
        bad(each["verdict"]) if is_worse else each["verdict"],
        warn(drawn) if is_worse else good(drawn),
    )


def _points(against: Mapping[str, Any]) -> str:
    low, high = 100 * against["low"], 100 * against["high"]
    return f"{100 * against['difference']:+.1f} points ({low:+.1f} to {high:+.1f})"


def _score(each: Mapping[str, Any]) -> Part:
    if each["score"] is None:
        return dim("–")
    shown = f"{each['score']['mean']:.1%}"
    return bad(shown) if each["verdict"] == "clearly worse" else shown
