"""Quantizations of a model side by side: how close, how fast, how good at a task, and which to use here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgellm.decoding import convert
from edgellm.errors import InvalidInput
from edgellm.hub.installed import Library
from edgellm.paths import private_dir
from edgellm.sdk.eval_request import SuiteFile
from edgellm.sdk.export_order import ExportRequest, order
from edgellm.sdk.work import Work

if TYPE_CHECKING:  # numpy is imported when something is measured
    from edgellm.export.order import Order
    from edgellm.sdk.quant_scores import Asking


def task_suite(name: str | Path, folder: str | Path) -> SuiteFile:
    """A suite by name or file, as `Evals.run` takes it.

    Raises: NotFound, DataRejected; InvalidInput when its answers have no score that EdgeLLM gives alone.
    """
    from edgellm.evals.scorers import needs
    from edgellm.evals.suite import find_suite, read_suite

    suite = read_suite(find_suite(str(name), Path(folder)))
    if any("judge" in needs(case) for case in suite.cases):
        raise InvalidInput(
            f"The suite {suite.name!r} is judged by a model; quantizations are compared without one.",
            hint="Take a suite whose answers have a score of another kind.",
            field="suite",
        )
    if all(case.score == "perplexity" for case in suite.cases):
        raise InvalidInput(
            f"The suite {suite.name!r} gives no score, only perplexities.",
            hint="Name a text to measure with in its place, or take a suite of questions.",
            field="suite",
        )
    return SuiteFile(path=suite.path, sha256=suite.sha256)


def quants_job(work: Work, library: Library) -> dict[str, Any]:
    """The work of a `quants` job: the manifest, what the suite said under `task`, what to use under `recommended`."""
    from edgellm.export.choose import recommended
    from edgellm.export.package import package
    from edgellm.hub.hardware import probe

    request, suite = _request(work.arguments)
    with tempfile.TemporaryDirectory(dir=private_dir(work.home.cache)) as scratch, _asking(work, suite) as asking:
        wanted = order(work.home, library, replace(request, out=Path(scratch) / "quants"), keeps_files=False)
        manifest = package(_asked(wanted, asking), work.emit)
        task = asking.scores() if asking else None
    choice = recommended(manifest.files, probe().available_bytes, task.ruled_out if task else {})
    found: dict[str, Any] = msgspec.to_builtins(manifest)
    more = {"recommended": choice.quantization, "reason": choice.reason, "task": msgspec.to_builtins(task)}
    return found | more


def _request(arguments: Mapping[str, Any]) -> tuple[ExportRequest, SuiteFile | None]:
    said = dict(arguments)
    suite = said.pop("suite", None)
    return ExportRequest(**said), None if suite is None else convert(suite, SuiteFile)


def _asked(wanted: Order, asking: Asking | None) -> Order:
    return wanted if asking is None else replace(wanted, on_file=asking)


@contextmanager
def _asking(work: Work, file: SuiteFile | None) -> Iterator[Asking | None]:
    """What asks the suite of each file; None where none was named."""
    if file is None:
        yield None
        return
    from edgellm.sdk.eval_tools import scoring_tools, unchanged
    from edgellm.sdk.facade import EdgeLLM  # the facade starts jobs, and this one uses it
    from edgellm.sdk.quant_scores import Asking

    suite = unchanged(file)
    with EdgeLLM(home=work.home) as edge, scoring_tools(work.home, suite.cases) as tools:
        yield Asking(edge.evals.means, suite, tools, work)
