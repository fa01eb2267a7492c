"""Exports in words: what can be made of a model, what was made, and how close it is to full precision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.content import Content

from edgellm.errors import InvalidInput
from edgellm.safetext import clean_line
from edgellm.sizes import size
from edgellm_tui.render import meter

if TYPE_CHECKING:
    from edgellm.store.records import StoredJob
    from edgellm_tui.ports import Edge

COMPARE = "compare"
FORMS: Mapping[str, str] = {
    "gguf": "GGUF files for llama.cpp and all that builds on it, compared with full precision.",
    COMPARE: "Quantizations are made, measured side by side and removed again: which one to use here?",
    "hf": "A folder for Hugging Face libraries and vLLM.",
    "mlx": "A folder for mlx_lm.",
    "peft": "The adapter alone, for peft and vLLM.",
}
"""What can be made, and what it is good for."""
SUGGESTED = "Q8_0,Q4_K_M"
NAME_CELLS, SCORE_CELLS, PLOT_CELLS, SHORT_PLOT_CELLS = 8, 7, 14, 6
BEST_KL, WORST_KL = 0.001, 1.0
"""A bar is full at the first and empty at the second, and a third shorter for each factor of ten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedExport:
    """What was chosen in the form."""

    form: str
    quants: str
    """Separated by commas; empty takes what is usual."""
    folder: str
    """Empty takes EdgeLLM's own."""
    suite: str = ""
    """Questions that a comparison asks each quantization; empty asks none."""


def checked(wanted: WantedExport, model: str) -> WantedExport:
    """The same. Raises: InvalidInput for an adapter's form without an adapter."""
    if wanted.form == "peft" and "@" not in model:
        raise InvalidInput(
            f"{model!r} has no adapter to be exported alone.", hint="Choose MODEL@ADAPTER.", field="form"
        )
    return wanted


async def begin(edge: Edge, model: str, wanted: WantedExport) -> StoredJob:
    """The job that makes what was chosen. Raises: EdgeLLMError for what cannot be made."""
    quants = wanted.quants if takes_quants(wanted.form) else ""
    if wanted.form == COMPARE:
        return await edge.exports.compare(model, *([quants] if quants else []), suite=wanted.suite or None)
    chosen = quants or (SUGGESTED if wanted.form == "gguf" else None)
    return await edge.exports.start(model, chosen, to=wanted.form, out=wanted.folder or None)  # type: ignore[arg-type]


def takes_quants(form: str) -> bool:
    """Whether the form is one of GGUF files."""
    return form in ("gguf", COMPARE)


def made_line(job: StoredJob, now: float) -> Content:
    """A finished export in a list: what, how it went, when."""
    result = job.result or {}
    if job.kind == "quants":
        verdict = (f"use {clean_line(str(result.get('recommended', '')))}", "$text-success")
    elif result.get("passed"):
        verdict = ("passed", "$text-success")
    else:
        verdict = ("failed", "$text-error")
    return Content.assemble(
        (clean_line(job.title), "bold"), "  ", verdict, (f"  {meter.ago(now - job.created_at)}", "$foreground 50%")
    )


def made_lines(result: Mapping[str, Any]) -> list[Content]:
    """Everything that was measured, as lines."""
    task = result.get("task")
    scores = {each["quantization"]: each for each in task["scores"]} if task else {}
    head = f"{'':<{NAME_CELLS}}{'size':>8}{'KL':>8}{'same top':>9}{'perplexity':>11}{'tokens/s':>9}"
    score, shown = (f"{'score':>{SCORE_CELLS}}", "close") if task else ("", "closeness")
    lines = [Content.styled(f"{head}{score}  {shown}", "$foreground 55%")]
    lines += [_file_line(file, scores.get(file["quantization"])) for file in result.get("files", ())]
    lines += [
        Content.styled(clean_line(f"{file['quantization']}: {problem}"), "$text-error")
        for file in result.get("files", ())
        for problem in file["verification"]["problems"]
    ]
    return [*lines, *(_task_lines(task) if task else ()), Content(""), *_conclusion(result)]


_SHORT = {"no clear difference": "unclear"}
"""Verdicts as they fit a narrow terminal."""


def _task_lines(task: Mapping[str, Any]) -> list[Content]:
    """How each did at the suite: its score with the interval, and the paired one against the best."""
    title = f"{clean_line(task['suite'])}, {task['cases']} questions: score, and points against the best (95 %)"
    return [Content(""), Content.styled(title, "$foreground 55%"), *map(_task_line, task["scores"])]


def _task_line(each: Mapping[str, Any]) -> Content:
    score, against = each["score"], each["against_best"]
    colour = {"best": "$text-success", "clearly worse": "$text-error"}.get(each["verdict"], "")
    name = (f"{clean_line(each['quantization']):<{NAME_CELLS}}", "bold")
    if score is None:
        return Content.assemble(name, "not asked: ", clean_line(each["reason"]))
    shown = f"{score['mean']:.1%} ({100 * score['low']:.1f} to {100 * score['high']:.1f})"
    points = _points(against) if against else ""
    return Content.assemble(name, f"{shown:<23}{points:<23}", (_SHORT.get(each["verdict"], each["verdict"]), colour))


def _points(against: Mapping[str, Any]) -> str:
    low, high = 100 * against["low"], 100 * against["high"]
    return f"{100 * against['difference']:+.1f} ({low:+.1f} to {high:+.1f})"


def _file_line(file: Mapping[str, Any], task: Mapping[str, Any] | None) -> Content:
    found = file["verification"]
    measured = found["comparison"]
    numbers = (
        f"{size(file['size_bytes']):>8}{measured['kl_mean']:>8.4f}{measured['top1']:>9.1%}"
        f"{measured['ppl_candidate']:>11.2f}{found['tokens_per_s']:>9.0f}"
    )
    cells = PLOT_CELLS
    if task is not None:
        score = f"{task['score']['mean']:.1%}" if task["score"] else "–"
        numbers, cells = f"{numbers}{score:>{SCORE_CELLS}}", SHORT_PLOT_CELLS
    colour = "$text-success" if found["passed"] else "$text-error"
    return Content.assemble(
        (f"{clean_line(file['quantization']):<{NAME_CELLS}}", "bold"),
        numbers,
        "  ",
        (_bar(measured["kl_mean"], cells), colour),
    )


def _bar(kl: float, cells: int) -> str:
    share = math.log(WORST_KL / min(WORST_KL, max(BEST_KL, kl))) / math.log(WORST_KL / BEST_KL)
    return ("█" * round(share * cells)).ljust(cells, "░")


def _conclusion(result: Mapping[str, Any]) -> list[Content]:
    if "recommended" in result:
        use = clean_line(str(result["recommended"]))
        return [Content.assemble(("use ", "$text-success"), (use, "bold"), f": {clean_line(str(result['reason']))}")]
    return [Content.assemble(("in  ", "$foreground 55%"), clean_line(str(result.get("path", ""))))]
