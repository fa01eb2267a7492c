"""A suite of questions asked of each quantization of a model, and what the paired intervals against the best say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from edgellm.errors import ModelDoesNotFit
from edgellm.evals.cache import Cache, Remembering
from edgellm.evals.outcome import compare_all, tally
from edgellm.evals.runner import run
from edgellm.evals.statistics import Comparison, Interval
from edgellm.evals.suite import Suite
from edgellm.evals.values import Result, Tools
from edgellm.events import Started
from edgellm.export.choose import RuledOut
from edgellm.sdk.addressing import Target
from edgellm.sdk.eval_subjects import LocalSubject
from edgellm.sdk.eval_tools import Telling
from edgellm.sdk.evaluation import Means
from edgellm.sdk.work import Work

Verdict = Literal["best", "no clear difference", "clearly worse", "not asked"]


class TaskScore(msgspec.Struct, frozen=True, kw_only=True):
    """How one quantization did."""

    quantization: str
    score: Interval | None
    """None where it was not asked."""
    against_best: Comparison | None
    """Its score minus that of the best, on the same questions; None for the best itself."""
    verdict: Verdict
    """`clearly worse`: all of the paired 95 % interval against the best lies below 0."""
    reason: str = ""
    """Why it was not asked."""


class TaskScores(msgspec.Struct, frozen=True, kw_only=True):
    """How the quantizations did, in the order in which they were made."""

    suite: str
    version: str
    sha256: str
    cases: int
    scores: tuple[TaskScore, ...]

    @property
    def ruled_out(self) -> dict[str, RuledOut]:
        """What is not recommended, by quantization."""
        return {
            each.quantization: RuledOut(each.score.mean if each.score else None)
            for each in self.scores
            if each.verdict in ("clearly worse", "not asked")
        }


class Asking:
    """Asks the files one after the other; each is closed before the next one is made."""

    def __init__(self, means: Means, suite: Suite, tools: Tools, work: Work) -> None:
        self._means, self._suite, self._tools, self._emit = means, suite, tools, work.emit
        self._cache = Cache(work.home.answers)
        self._results: dict[str, list[Result]] = {}
        self._refused: dict[str, str] = {}
        self._order: list[str] = []

    def __call__(self, quantization: str, path: Path) -> None:
        """Ask the suite of a file; one that is too large for this machine is noted as such.

        Raises: InvalidInput when its answers could not be judged; ModelError, EngineError.
        """
        self._order.append(quantization)
        total = sum(case.samples for case in self._suite.cases)
        self._emit(Started(title=f"Ask {quantization}", total=total, unit="answers"))
        try:
            subject = LocalSubject(self._means, quantization, Target(str(path), None))
        except ModelDoesNotFit as error:
            self._refused[quantization] = error.message
            return
        try:
            asked = Remembering(subject, self._cache)
            found = run(self._suite.cases, asked, self._tools, Telling(self._emit))
        finally:
            self._means.engines.unload(str(path))
        self._results[quantization] = [each for samples in found for each in samples]

    def scores(self) -> TaskScores:
        """Everything that was asked, compared."""
        self._cache.prune()
        return TaskScores(
            suite=self._suite.name,
            version=self._suite.version,
            sha256=self._suite.sha256,
            cases=len(self._suite.cases),
            scores=tuple(compared(self._order, self._results, self._refused)),
        )


def compared(
    order: Sequence[str], results: Mapping[str, Sequence[Result]], refused: Mapping[str, str]
) -> Iterator[TaskScore]:
    """Each quantization against the one with the best score; of equal ones the first is the best."""
    scores = {name: tally(found).score for name, found in results.items()}
    best = max(scores, key=lambda name: score.mean if (score := scores[name]) else 0.0, default="")
    for name in order:
        if name in refused:
            yield TaskScore(quantization=name, score=None, against_best=None, verdict="not asked", reason=refused[name])
        elif name == best:
            yield TaskScore(quantization=name, score=scores[name], against_best=None, verdict="best")
        else:
            (found,) = compare_all({"": results[name]}, {"": results[best]}, name, best)
            verdict: Verdict = "clearly worse" if found.difference.high < 0 else "no clear difference"
            yield TaskScore(quantization=name, score=scores[name], against_best=found.difference, verdict=verdict)
