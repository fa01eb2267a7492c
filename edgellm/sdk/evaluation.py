"""Evaluations: suites asked of models and servers, as jobs; runs that are kept, with their reports."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgellm.errors import InvalidInput, NotFound
from edgellm.paths import Home
from edgellm.sdk.documents import Documents
from edgellm.sdk.engines import Engines
from edgellm.sdk.jobs import Jobs
from edgellm.sdk.open_collections import OpenCollections
from edgellm.store import StoredJob
from edgellm.store.ids import new_id
from edgellm.types import Reply

if TYPE_CHECKING:  # numpy is loaded when something is evaluated
    from edgellm.evals.preference import People
    from edgellm.evals.run import Run
    from edgellm.evals.suite import Suite
    from edgellm.evals.values import Result
    from edgellm.evals.votes import Vote
    from edgellm.sdk.blind import Blind, Judged
    from edgellm.sdk.eval_request import Named

KIND = "evaluate"
FORMATS = {"html": "report.html", "markdown": "report.md"}
FOLDER = "evals"
"""Where a project keeps its suites."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What subjects are made with: parts of an EdgeLLM."""

    engines: Engines
    chat: Callable[..., Reply]
    """`EdgeLLM.chat`."""
    documents: Callable[[str], Documents]
    opened: OpenCollections
    resolve: Callable[[str], str]
    """What an alias stands for; any other name itself."""


def _ignored(_line: str) -> None:
    """Nobody watches."""


class Evals:
    """Errors: InvalidInput, DataRejected, NotFound, ModelNotFound, AdapterNotFound, CollectionNotFound, JobError."""

    def __init__(self, home: Home, jobs: Jobs, means: Means) -> None:
        self.means = means
        self._home, self._jobs = home, jobs

    def suites(self, folder: str | Path = FOLDER) -> builtins.list[Suite]:
        """The suites of a project's folder, then those that ship. Raises: DataRejected for one that is damaged."""
        from edgellm.evals.suite import SHIPPED, read_suite, suites_in

        return [read_suite(path) for path in (*suites_in(Path(folder)), *suites_in(SHIPPED))]

    def run(
        self,
        suites: Sequence[str | Path],
        *,
        on: str,
        against: Sequence[str] = (),
        judge: str | None = None,
        folder: str | Path = FOLDER,
        has_speed: bool = False,
    ) -> StoredJob:
        """Begin to ask suites of `on`, and of the baselines `against` which it is compared with.

        Args:
            suites: files, or names of suites of `folder` or of those that ship.
            on: `MODEL[@ADAPTER][+COLLECTION]`, an alias, or a server's address (`http://HOST:PORT`, `#MODEL` behind
                it); the key for it is taken from EDGELLM_API_KEY.
            against: baselines, named alike.
            judge: the model that judges where a suite asks for it, named alike.
            folder: where the project keeps its suites.
            has_speed: measure the speed of `on` and of the first baseline, too, one after the other.

        Returns: the job, whose result is the run; its id is the run's.
        """
        from edgellm.evals.suite import find_suite, read_suite
        from edgellm.sdk.eval_request import EvalRequest, SuiteFile

        read = [read_suite(find_suite(str(each), Path(folder))) for each in suites]
        names = [each.name for each in read]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise InvalidInput(f"Two of the suites are named {twice!r}.", hint="Run them apart.", field="suites")
        subjects = [self.named(each, "on") for each in (on, *against)]
        if len({each.name for each in subjects}) < len(subjects):
            raise InvalidInput("A subject is named twice.", hint="Compare two different ones.", field="against")
        judge_named = None if judge is None else self.named(judge, "judge")
        check_judge(read, judge_named)
        request = EvalRequest(
            suites=tuple(SuiteFile(path=each.path, sha256=each.sha256) for each in read),
            subjects=tuple(subjects),
            judge=judge_named,
            has_speed=has_speed and len(subjects) > 1,
        )
        arguments: dict[str, Any] = msgspec.to_builtins(request)
        return self._jobs.start(KIND, f"Evaluate {on} on {', '.join(names)}", arguments)

    def list(self) -> builtins.list[Run]:
        """Runs that have finished, newest first."""
        from edgellm.evals.run import MANIFEST, read_run

        found = (read_run(path.parent) for path in self._home.evals.glob(f"*/{MANIFEST}"))
        return sorted(found, key=lambda each: each.created, reverse=True)

    def get(self, run_id: str) -> Run:
        """One run. Raises: NotFound."""
        from edgellm.evals.run import MANIFEST, read_run

        known = [path.parent.name for path in self._home.evals.glob(f"*/{MANIFEST}")]
        if run_id not in known:
            near = get_close_matches(run_id, known, 1)
            hint = f"Did you mean {near[0]!r}?" if near else "See which there are: edgellm eval list"
            raise NotFound(f"There is no run {run_id!r}.", hint=hint, id=run_id)
        return read_run(self._home.evals / run_id)

    def results(self, run_id: str, suite: str, subject: int = 0) -> builtins.list[Result]:
        """Every answer of a suite with its score; subjects count from 0, the judged one. Raises: NotFound."""
        from edgellm.evals.run import read_results

        found = self.get(run_id)
        if suite not in [each.name for each in found.suites] or not 0 <= subject < len(found.subjects):
            raise NotFound(f"The run {run_id!r} has no suite {suite!r} of subject {subject}.", id=run_id)
        return read_results(self._home.evals / run_id, suite, subject)

    def report(self, run_id: str, form: str = "html") -> Path:
        """The file of a run's report, `html` or `markdown`; written again when people have voted since.

        Raises: NotFound, InvalidInput, DataRejected.
        """
        if form not in FORMATS:
            raise InvalidInput(f"{form!r} is no form of a report.", hint=f"Known: {', '.join(FORMATS)}.", field="form")
        judged = self._judged(run_id)
        path, votes = judged.folder / FORMATS[form], judged.votes.path
        if votes.exists() and (not path.exists() or votes.stat().st_mtime_ns >= path.stat().st_mtime_ns):
            from edgellm.evals.report.keep import write_reports

            write_reports(judged.folder, judged.run, judged.answers(), judged.people())
        return path

    def blind(
        self, run_id: str, subject: str | None = None, baseline: str | None = None, *, judge: str | None = None
    ) -> Blind:
        """The answers of two subjects of a run, to be judged by a person who does not see whose they are.

        Args:
            subject: name of one; None takes the one that the run judged.
            baseline: name of the other; None takes the first baseline.
            judge: name of the person; None takes that of the account.

        Raises: NotFound, InvalidInput, DataRejected.
        """
        return self._judged(run_id).blind(subject, baseline, judge)

    def votes(self, run_id: str) -> builtins.list[Vote]:
        """The votes of a run that stand, oldest first. Raises: NotFound, DataRejected."""
        return self._judged(run_id).votes.standing()

    def people(self, run_id: str) -> People:
        """What people preferred in a run: win rates, Elo, agreement, notes. Raises: NotFound, DataRejected."""
        return self._judged(run_id).people()

    def export(self, run_id: str, form: str = "jsonl") -> str:
        """The votes of a run with questions, answers and names, as `jsonl` or `csv`. Raises: NotFound, InvalidInput."""
        return self._judged(run_id).exported(form)

    def _judged(self, run_id: str) -> Judged:
        from edgellm.sdk.blind import Judged

        run = self.get(run_id)
        return Judged(self._home.evals / run.id, run)

    def harness(
        self,
        tasks: Sequence[str],
        *,
        on: str,
        limit: int | None = None,
        include: str | Path | None = None,
        on_line: Callable[[str], None] = _ignored,
    ) -> dict[str, Any]:
        """Run tasks of the installed lm-evaluation-harness on a model; returns its results.

        `limit`: how many questions of each task are asked. `include`: a folder with tasks of one's own.
        Raises: MissingExtra, InvalidInput, NotFound, JobError.
        """
        from edgellm.sdk.addressing import target_of
        from edgellm.sdk.lm_eval import HarnessOrder, check_installed, run_harness

        check_installed()
        model = self.means.engines.resolve(target_of(self.means.resolve(on)).model)
        folder = self._home.evals / "lm_eval" / new_id()
        own = None if include is None else Path(include).expanduser().absolute()
        if own is not None and not own.is_dir():
            raise InvalidInput(f"{str(own)!r} is no folder.", hint="Name the folder of the tasks.", field="include")
        order = HarnessOrder(tasks=tuple(tasks), model=model, limit=limit, include=own, folder=folder)
        return run_harness(self._home, order, on_line)

    def named(self, name: str, field: str = "on") -> Named:
        """A subject with what finds it again from any folder. Raises: InvalidInput, ModelNotFound, NotFound."""
        from edgellm.sdk.addressing import Target, is_address, target_of
        from edgellm.sdk.eval_request import Named

        if is_address(name):
            return Named(name=name, target=name)
        if not name.strip():
            raise InvalidInput("The name of a subject is empty.", field=field)
        target = target_of(self.means.resolve(name))
        if target.collection is not None:
            self.means.documents(target.collection).check()
        found = Target(self.means.engines.resolve(target.model), target.collection)
        return Named(name=name, target=str(found))

    def weights(self, target: str) -> str:
        """SHA-256 of the files that a subject of this machine is made of, without its collection's."""
        from edgellm.sdk.addressing import target_of

        return self.means.engines.weights(target_of(target).model)


def check_judge(suites: Sequence[Suite], judge: Named | None) -> None:
    """Refuse at once what the job would refuse. Raises: InvalidInput."""
    from edgellm.evals.runner import REMEDIES
    from edgellm.evals.scorers import needs

    for suite in suites:
        if judge is None and any("judge" in needs(case) for case in suite.cases):
            raise InvalidInput(f"The suite {suite.name!r} is judged by a model.", hint=REMEDIES["judge"], field="judge")
