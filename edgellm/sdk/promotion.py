"""What goes live: the gate between a candidate and an alias, the alias's move, and the way back."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.errors import Fact, GateClosed, InvalidInput, NotFound
from edgellm.sdk.evaluation import FOLDER, Evals
from edgellm.store import Alias, AliasChange, Store, StoredJob
from edgellm.store.aliases import Reason
from edgellm.store.audit import LOCAL

if TYPE_CHECKING:  # numpy is loaded when something is evaluated
    from edgellm.evals.gate import Verdict
    from edgellm.evals.run import Run, SubjectRecord

LOOKED_AT = 5000
"""Entries of the audit log, newest first, among which a rollback looks for the runs that decided: more would take
longer than going back may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """An alias that was moved."""

    alias: str
    target: str
    before: str | None
    """What it stood for; None: it is new."""


class Promotion:
    """The gate, promoting and rolling back. Errors: NotFound, InvalidInput, DataRejected, StoreError."""

    def __init__(self, evals: Evals, store: Callable[[], Store]) -> None:
        self._evals, self._store = evals, store

    def begin(
        self,
        candidate: str,
        *,
        against: str | None,
        policy: str | Path | None = None,
        judge: str | None = None,
        folder: str | Path = FOLDER,
        files: Mapping[str, Path] | None = None,
    ) -> StoredJob:
        """Begin the evaluation that the gate decides by: the policy's suites on `candidate`, and on `against`.

        `against`: the current version; None where there is none yet. `policy`: a file; None takes the one that ships.
        `files`: suites by name, beside those of the policy or in place of one that it names.
        The job's result is a run, whose id `verdict` and `promote` take.
        """
        from edgellm.evals.policy import DEFAULT, read_policy

        rules = read_policy(DEFAULT if policy is None else Path(policy).absolute())
        baselines = () if against is None else (against,)
        has_speed = rules.speed is not None
        named: dict[str, str | Path] = {name: name for name in rules.suites}
        suites = list((named | dict(files or {})).values())
        return self._evals.run(suites, on=candidate, against=baselines, judge=judge, folder=folder, has_speed=has_speed)

    def verdict(self, run_id: str, policy: str | Path | None = None) -> Verdict:
        """What the gate says to a run. Raises: NotFound, DataRejected."""
        from edgellm.evals.gate import gate
        from edgellm.evals.policy import DEFAULT, read_policy

        rules = read_policy(DEFAULT if policy is None else Path(policy).absolute())
        people = () if rules.people is None else (self._evals.people(run_id),)
        return gate(rules, self._evals.get(run_id), *people)

    def promote(self, run_id: str, alias: str, policy: str | Path | None = None, *, actor: str = LOCAL) -> Moved:
        """Let an alias stand for the candidate of a run that passes the gate; one step, under running traffic.

        Raises: GateClosed when the run does not pass; InvalidInput when it compared with something else than what the
        alias stands for now.
        """
        verdict, run = self.verdict(run_id, policy), self._evals.get(run_id)
        if not verdict.passed:
            failed = [line for line in verdict.lines if not line.holds]
            message = f"{run.subjects[0].name} does not pass: {failed[0].suite}, {failed[0].rule}: {failed[0].found}."
            raise GateClosed(message, hint=f"`edgellm eval show {run_id[:8]}` shows all of it.", run=run_id)
        before, target = self.current(alias), self._store().aliases.resolve(run.subjects[0].name)
        if not self._is_still(run.subjects[0], target):
            message = f"{run.subjects[0].name!r} is something else by now than what the run {run_id!r} judged."
            raise InvalidInput(message, hint="Run the gate again.", field="run")
        if before is not None and before != target:
            self._check_compared(run, alias, before)
        facts = {"run": run_id, "policy": verdict.policy}
        self._store().aliases.set(alias, target, actor=actor, reason=Reason(expected=before, facts=facts))
        return Moved(alias=alias, target=target, before=before)

    def back(self, alias: str) -> Moved:
        """What a rollback would do; nothing is moved. Raises: NotFound, InvalidInput where there is nothing before."""
        current = self._store().aliases.get(alias).target
        versions = versions_of(self._store().aliases.history(alias))
        if len(versions) < 2:
            message = f"{alias!r} stands for {current!r}, its first version."
            raise InvalidInput(message, hint="There is nothing to go back to.", field="alias")
        return Moved(alias=alias, target=versions[-2], before=current)

    def rollback(self, alias: str, *, actor: str = LOCAL) -> Moved:
        """Let an alias stand for what it stood for before its last promotion. Raises: NotFound, InvalidInput.

        The audit log names the runs that once decided for both versions, where there were any.
        """
        aliases, moved = self._store().aliases, self.back(alias)
        current, earlier = str(moved.before), moved.target
        runs = self._runs(alias, {earlier, current}, aliases.history(alias)[-1].at)
        decided = {"run": runs.get(earlier), "run_before": runs.get(current)}
        facts: dict[str, Fact] = {"rolled_back": True, **{name: run for name, run in decided.items() if run}}
        aliases.set(alias, earlier, actor=actor, reason=Reason(expected=current, facts=facts))
        return moved

    def _runs(self, alias: str, targets: builtins.set[str], since: float) -> dict[str, str]:
        """By target, the run that last decided that the alias may stand for it, of the newest entries of the audit log.

        `since`: when the alias was first set; what is older cannot be about it.
        """
        found: dict[str, str] = {}
        for entry in self._store().audit.list(LOOKED_AT):
            if entry.at < since or found.keys() == targets:
                break
            target, run = entry.facts.get("target"), entry.facts.get("run")
            if (entry.action, entry.target) == ("alias.set", alias) and target in targets and isinstance(run, str):
                found.setdefault(str(target), run)
        return found

    def _check_compared(self, run: Run, alias: str, before: str) -> None:
        if len(run.subjects) == 1 or not self._is_still(run.subjects[1], before):
            message = f"The run {run.id!r} did not compare with {before!r}, which {alias!r} stands for now."
            raise InvalidInput(message, hint="Run the gate again.", field="run")

    def _is_still(self, judged: SubjectRecord, name: str) -> bool:
        """Whether a name means what was judged, down to its files: an adapter can be made again under its name."""
        target = self._evals.named(name).target
        return judged.target == target and (not judged.weights or judged.weights == self._evals.weights(target))

    def current(self, alias: str) -> str | None:
        """What an alias stands for; None when there is none of this name."""
        try:
            found: Alias = self._store().aliases.get(alias)
        except NotFound:
            return None
        return found.target


def versions_of(history: Sequence[AliasChange]) -> builtins.list[str]:
    """What an alias stood for, as versions one upon the other; the last is the current one.

    `history`: latest first. Going back to the version below takes the one above away, so that two rollbacks go back
    two versions; removing the alias ends all.
    """
    versions: list[str] = []
    for change in reversed(history):
        if change.target is None:
            versions.clear()
        elif len(versions) > 1 and versions[-2] == change.target:
            versions.pop()
        elif not versions or versions[-1] != change.target:
            versions.append(change.target)
    return versions
