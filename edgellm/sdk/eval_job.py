"""The work of an evaluation: every suite on every subject, compared, kept and reported."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import edgellm
from edgellm.evals.cache import Cache, Remembering
from edgellm.evals.outcome import Compared, Outcome, compare_all, outcome
from edgellm.evals.report.keep import write_reports
from edgellm.evals.run import JudgeRecord, Run, SubjectRecord, SuiteRecord, write_results, write_run
from edgellm.evals.runner import check_needs, run
from edgellm.evals.scorers import needs
from edgellm.evals.scorers.judged import PROMPTS
from edgellm.evals.speed import ROUNDS, Speeds
from edgellm.evals.suite import Suite
from edgellm.evals.unmeasured import not_measured
from edgellm.evals.values import Result, Subject, Tools
from edgellm.events import Progressed, Started
from edgellm.paths import private_dir
from edgellm.sdk.addressing import is_address, target_of
from edgellm.sdk.eval_request import EvalRequest, Named, request_from
from edgellm.sdk.eval_speed import measure_speeds
from edgellm.sdk.eval_subjects import LocalSubject, RemoteSubject
from edgellm.sdk.eval_tools import NamedEmbed, Telling, scoring_tools, unchanged
from edgellm.sdk.work import Work

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM


def evaluate(work: Work) -> dict[str, Any]:
    """Do an evaluation; the run's folder has the job's id. Returns: `summary` of the run.

    What was asked before, by this attempt or another, is taken from the cache. Raises: DataRejected for a suite that
    changed since the run began; InvalidInput, ModelError, EngineError, StoreError.
    """
    from edgellm.sdk.facade import EdgeLLM  # the facade starts jobs, and this one uses it

    request = request_from(work.arguments)
    suites = [unchanged(each) for each in request.suites]
    with EdgeLLM(home=work.home) as edge:
        return _Evaluation(work, request, suites, edge).run()


def summary(run: Run, folder: Path) -> dict[str, Any]:
    """A run as JSON values, with the places of its reports."""
    plain: dict[str, Any] = msgspec.to_builtins(run)
    return plain | {"path": str(folder), "report": str(folder / "report.html")}


@dataclass(frozen=True, slots=True)
class _Judged:
    """One subject's answers by suite."""

    record: SubjectRecord
    results: Mapping[str, list[Result]]


class _Evaluation:
    """One attempt."""

    def __init__(self, work: Work, request: EvalRequest, suites: Sequence[Suite], edge: EdgeLLM) -> None:
        self._work, self._request, self._suites = work, request, suites
        self._edge, self._means = edge, edge.evals.means
        self._cache = Cache(work.home.answers)
        self._folder = private_dir(work.home.evals / work.folder.name)
        self._cases = [case for suite in suites for case in suite.cases]

    def run(self) -> dict[str, Any]:
        """Judge every subject, compare, keep."""
        began = time.monotonic()
        with self._tools() as tools:
            judged = [self._judge(number, each, tools) for number, each in enumerate(self._request.subjects)]
            record = self._judge_record(tools)
        first, *baselines = judged
        compared = [one for other in baselines for one in self._compared(first, other)]
        found = Run(
            id=self._work.folder.name,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            edgellm=edgellm.__version__,
            suites=tuple(map(_suite_record, self._suites)),
            subjects=tuple(each.record for each in judged),
            judge=record,
            embedder=self._embedder_name(tools),
            outcomes=tuple(self._outcomes(judged)),
            comparisons=tuple(compared),
            not_measured=not_measured(self._suites, has_baseline=bool(baselines)),
            speeds=self._speeds() if self._request.has_speed else None,
            seconds=time.monotonic() - began,
        )
        write_reports(self._folder, found, [each.results for each in judged])
        write_run(self._folder, found)
        self._cache.prune()
        return summary(found, self._folder)

    def _speeds(self) -> Speeds | None:
        """Of the judged one and its first baseline, one after the other."""
        ours, theirs = self._request.subjects[:2]
        self._work.emit(Started(title=f"Measuring the speed of {ours.name}", total=ROUNDS, unit="rounds"))
        tell = self._work.emit
        return measure_speeds(self._edge, ours, theirs, lambda done, of: tell(Progressed(done=done, total=of)))

    def _judge(self, number: int, named: Named, tools: Tools) -> _Judged:
        self._work.emit(Started(title=f"Opening {named.name}"))
        began = time.monotonic()
        with self._opened(named) as subject:
            check_needs(self._cases, subject, tools)
            total = sum(case.samples for case in self._cases)
            self._work.emit(Started(title=f"Asking {named.name}", total=total, unit="answers"))
            tell = Telling(self._work.emit)
            every = iter(run(self._cases, Remembering(subject, self._cache), tools, tell, self._request.together))
            by_suite = {suite.name: _flat(next(every) for _ in suite.cases) for suite in self._suites}
            weights = "" if is_address(named.target) else self._edge.evals.weights(named.target)
            record = SubjectRecord(name=named.name, target=named.target, identity=subject.identity, weights=weights)
        for suite, results in by_suite.items():
            write_results(self._folder, suite, number, results)
        return _Judged(replace(record, seconds=time.monotonic() - began), by_suite)

    @contextmanager
    def _opened(self, named: Named) -> Iterator[Subject]:
        if not is_address(named.target):
            yield LocalSubject(self._means, named.name, target_of(named.target))
            return
        remote = RemoteSubject(named.target, self._work.folder.name, os.environ)
        try:
            yield remote
        finally:
            remote.close()

    @contextmanager
    def _tools(self) -> Iterator[Tools]:
        """What the suites need, opened; the judge's answers are kept like the subjects'."""
        is_judged = any("judge" in needs(case) for case in self._cases)
        with scoring_tools(self._work.home, self._cases) as tools:
            if self._request.judge is None or not is_judged:
                yield tools
                return
            self._work.emit(Started(title=f"Opening the judge {self._request.judge.name}"))
            with self._opened(self._request.judge) as judge:
                yield replace(tools, judge=Remembering(judge, self._cache))

    def _embedder_name(self, tools: Tools) -> str:
        return tools.embed.name if isinstance(tools.embed, NamedEmbed) else ""

    def _judge_record(self, tools: Tools) -> JudgeRecord | None:
        judge = tools.judge
        return None if judge is None else JudgeRecord(name=judge.name, identity=judge.identity, prompts=dict(PROMPTS))

    def _outcomes(self, judged: Sequence[_Judged]) -> Iterator[Outcome]:
        for suite in self._suites:
            for each in judged:
                yield outcome(suite.name, each.record.name, each.results[suite.name])

    def _compared(self, ours: _Judged, theirs: _Judged) -> list[Compared]:
        return compare_all(ours.results, theirs.results, ours.record.name, theirs.record.name)


def _suite_record(suite: Suite) -> SuiteRecord:
    return SuiteRecord(
        name=suite.name,
        version=suite.version,
        description=suite.description,
        path=suite.path,
        sha256=suite.sha256,
        cases=len(suite.cases),
    )


def _flat(results: Iterator[list[Result]]) -> list[Result]:
    return [each for some in results for each in some]
