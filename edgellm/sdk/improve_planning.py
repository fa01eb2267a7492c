"""Planning a run of the loop: the queue, the live version and this machine looked at, and what speaks against it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from edgellm.errors import EdgeLLMError, InvalidInput, NotFound
from edgellm.hub.hardware import probe
from edgellm.hub.names import name_from, split_adapter
from edgellm.paths import Home
from edgellm.sdk.evaluation import FOLDER, Evals
from edgellm.sdk.improve_plan import (
    LOOKED_AT,
    Beginning,
    ImprovePlan,
    Lesson,
    Refusal,
    beginning,
    candidate_name,
    newest_training,
    settings_of,
    steps_for,
)
from edgellm.sdk.improve_run import (
    BEFORE,
    CORRECTED,
    MATERIAL,
    ImproveRequest,
    ImproveRun,
    Objective,
    runs_in,
)
from edgellm.sdk.jobs import Jobs
from edgellm.sdk.models import Models
from edgellm.sdk.options import check_names
from edgellm.sdk.promotion import Promotion
from edgellm.sdk.reviews import Reviews
from edgellm.sdk.serving import Aliases
from edgellm.store import StoredJob

if TYPE_CHECKING:
    from edgellm.sdk.reviews import Lessons

KIND = "improve"
SHOWN = 12
"""Characters of an id that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the loop is made of: parts of an EdgeLLM."""

    home: Home
    jobs: Jobs
    models: Models
    evals: Evals
    promotion: Promotion
    aliases: Aliases
    reviews: Reviews


class ImproveOptions(TypedDict, total=False):
    """Keyword arguments of `Improve.plan` and `Improve.begin`."""

    tenant: str
    """Whose lessons are learnt; empty: this machine's own. An alias learns from one tenant."""
    policy: str | Path | None
    """What must hold before the candidate may go live; None takes the policy that ships."""
    suites: Sequence[str | Path]
    """Suites that are asked beside those of the policy."""
    folder: str | Path
    """Where the project keeps its suites."""
    judge: str | None
    """The model that judges the corrected questions, and where a suite asks for it; None compares words."""
    collections: Sequence[str]
    """Collections whose folders are read again, beside the alias's own."""
    replay: float
    """Share of the rows that the live version was taught, and that are not the queue's, that are learnt again."""
    objective: Objective
    """`sft` imitates the answers (unless said); `dpo` and `orpo` learn from pairs, `kto` from answers judged alone."""
    settings: Mapping[str, Any]
    """Training settings, and `preset`."""
    promotes: bool
    """Let the candidate go live when it passes the gate; else that is decided later."""


class Planning:
    """One plan in the making."""

    def __init__(self, means: Means, alias: str, options: ImproveOptions) -> None:
        check_names(options, ImproveOptions)
        self._means, self._alias, self._options = means, alias, options
        self._home = means.home
        self._refusals: list[Refusal] = []

    def plan(self) -> ImprovePlan:
        """Read everything, decide, refuse."""
        from edgellm.sdk.addressing import is_address, target_of

        live = target_of_alias(self._means, self._alias)
        if is_address(live):
            raise InvalidInput(
                f"{self._alias!r} stands for a server: it is improved on its own machine.", field="alias"
            )
        target = target_of(live)
        self._note(self._check_free)
        begins = self._begins(target.model, self._objective())
        lessons = self._means.reviews.lessons(self._options.get("tenant", ""))
        request, why = self._request(live, begins, lessons)
        numbers = self._numbers(request, begins, lessons)
        self._note(lambda: self._check_new(request, lessons))
        self._note(lambda: self._check_judge(request))
        if find_spec("mlx") is None:
            self._refusals.append(
                Refusal(message="Training needs MLX.", hint="Install it: pip install 'edgellm[train]'")
            )
        return self._whole(request, begins, lessons, numbers, why)

    def _whole(
        self, request: ImproveRequest, begins: Beginning, lessons: Lessons, numbers: Lesson, why: str
    ) -> ImprovePlan:
        settings = settings_of(request.objective, dict(request.settings))
        if not settings.makes_adapter:
            message = f"The method {settings.method!r} makes a model of its own; an alias is improved by adapters."
            self._refusals.append(Refusal(message=message, hint="Take lora or qlora."))
        units = getattr(numbers, MATERIAL[request.objective]) + numbers.replayed
        steps = steps_for(settings, units) if units else None
        took = newest_training(self._means.jobs.list(limit=LOOKED_AT), request.base)
        memory, available = None if took is None else int(took["peak_memory_bytes"]), probe().available_memory_bytes
        waiting = self._means.reviews.count(tenant=request.tenant)
        return ImprovePlan(
            request=request,
            waiting={str(reason): count for reason, count in waiting.items()},
            lessons=numbers,
            held=tuple(f"{each.id[:SHOWN]}: {each.says}" for each in lessons.held),
            why=why,
            begins_with=begins.why,
            suites=(*request.suites, CORRECTED, *((BEFORE,) if numbers.before else ())),
            steps=steps,
            seconds=None if took is None or steps is None else steps * took["train_s"] / took["steps"],
            memory_bytes=memory,
            available_bytes=available,
            refusals=tuple(self._refusals),
        )

    def _request(self, live: str, begins: Beginning, lessons: Lessons) -> tuple[ImproveRequest, str]:
        """What the job would be asked to do, and why in this way."""
        from edgellm.evals.policy import DEFAULT, read_policy
        from edgellm.evals.suite import find_suite, read_suite
        from edgellm.sdk.addressing import target_of
        from edgellm.sdk.improve_lessons import Chosen, objective_for

        target, options = target_of(live), self._options
        objective = self._objective()
        nothing = Chosen(objective, "nothing can be learnt from yet")
        chosen = self._note(lambda: objective_for(lessons, objective)) or nothing
        policy = Path(options.get("policy") or DEFAULT).absolute()
        rules, folder = read_policy(policy), Path(options.get("folder", FOLDER))
        asked = [each for each in rules.suites if each not in (CORRECTED, BEFORE)]
        read = [read_suite(find_suite(str(each), folder)) for each in (*asked, *options.get("suites", ()))]
        replay = float(options.get("replay", 1.0))
        if not 0 <= replay <= 1:
            raise InvalidInput(f"replay is {replay!r}; it must be from 0 to 1.", field="replay")
        own = () if target.collection is None else (target.collection,)
        request = ImproveRequest(
            alias=self._alias,
            tenant=options.get("tenant", ""),
            live=live,
            base=self._means.models.get(split_adapter(target.model)[0]).reference,
            start=begins.start,
            candidate=candidate_name(self._home, name_from(self._alias)),
            collections=tuple(dict.fromkeys((*own, *options.get("collections", ())))),
            answers_from=target.collection or "",
            objective=chosen.objective,
            settings=dict(options.get("settings", {})),
            replay=replay,
            suites={suite.name: suite.path for suite in read},
            policy=str(policy),
            judge=options.get("judge") or "",
            promotes=bool(options.get("promotes", False)),
        )
        return request, chosen.why

    def _objective(self) -> Objective:
        """Raises: InvalidInput for one that is not known."""
        objective = self._options.get("objective", "sft")
        if objective not in MATERIAL:
            message = f"{objective!r} is no objective."
            raise InvalidInput(message, hint=f"Known: {', '.join(MATERIAL)}.", field="objective")
        if "objective" in self._options.get("settings", {}):
            raise InvalidInput("The objective is no setting here.", hint="Say it apart from them.", field="settings")
        return objective

    def _begins(self, model: str, objective: Objective) -> Beginning:
        nothing = Beginning(start="", dataset="", why="nothing")
        return self._note(lambda: beginning(self._home, model, objective)) or nothing

    def _numbers(self, request: ImproveRequest, begins: Beginning, lessons: Lessons) -> Lesson:
        from edgellm.data.dataset import open_dataset
        from edgellm.data.split import SPLITS
        from edgellm.sdk.improve_lessons import corrected_cases, earlier_rows, items_in, other_wordings, parted

        earlier: Iterator[Any] = iter(())
        if begins.dataset:
            found = open_dataset(self._home.datasets / begins.dataset)
            earlier = (row for split in SPLITS for row in found.rows(split))
        items = items_in(lessons, request.objective)
        known = set(learnt_by(self._home, request.live, request.objective))
        wordings = other_wordings(self._means.reviews, items)
        cases = corrected_cases(lessons, wordings, judged=bool(request.judge))
        return Lesson(
            rows=len(lessons.rows),
            new=sum(item not in known for item in items),
            replayed=sum(1 for _ in earlier_rows(earlier, lessons, request.replay)),
            pairs=len(lessons.pairs),
            thumbs=len(lessons.thumbs),
            corrected=len(cases),
            before=len(parted(cases, learnt_by(self._home, request.live))[1]),
        )

    def _check_free(self) -> None:
        refuse_second(running(self._means.jobs, self._alias))
        tenant = self._options.get("tenant", "")
        bound = next((run.request.tenant for run in runs_of(self._home, self._alias)), tenant)
        if bound != tenant:
            whose = f"the tenant {bound!r}" if bound else "this machine's own users"
            message = f"{self._alias!r} learns from {whose}; what one tenant says never teaches another's model."
            raise InvalidInput(message, hint="Give the other tenant an alias of its own.", field="tenant")

    def _check_new(self, request: ImproveRequest, lessons: Lessons) -> None:
        from edgellm.sdk.improve_lessons import items_in

        items = set(items_in(lessons, request.objective))
        if not items:
            return  # said already
        if items <= set(learnt_by(self._home, request.live, request.objective)):
            message = f"{request.live} has learnt everything in the queue that was accepted."
            raise InvalidInput(message, hint="Accept more of it in the review queue first.", field="alias")
        for run in runs_of(self._home, self._alias):
            if (
                run.passed
                and run.request.objective == request.objective
                and items == set(run.learnt)
                and self._means.promotion.current(self._alias) == run.request.live
            ):
                message = f"{run.request.target} was made of the same lessons and waits for a decision."
                raise InvalidInput(message, hint=f"Decide: edgellm improve promote {run.id[:SHOWN]}", field="alias")

    def _check_judge(self, request: ImproveRequest) -> None:
        """Raises: what says that the judge cannot be asked."""
        from edgellm.evals.suite import read_suite
        from edgellm.sdk.addressing import is_address
        from edgellm.sdk.evaluation import check_judge

        judge = self._means.evals.named(request.judge, "judge") if request.judge else None
        check_judge([read_suite(Path(path)) for path in request.suites.values()], judge)
        if judge is not None and is_address(judge.target):
            from edgellm.sdk.remote import RemoteEdgeLLM
            from edgellm.settings import REMOTE_KEY

            with RemoteEdgeLLM(judge.target.partition("#")[0], os.environ.get(REMOTE_KEY)) as server:
                server.models()

    def _note(self, look: Callable[[], Any]) -> Any:
        """What is found, or None with a refusal noted."""
        try:
            return look()
        except EdgeLLMError as error:
            self._refusals.append(Refusal(message=error.message, hint=error.hint))
            return None


def running(jobs: Jobs, alias: str) -> StoredJob | None:
    """The job that improves an alias now."""
    active = (job for job in jobs.list(limit=LOOKED_AT) if job.kind == KIND and job.is_active)
    return next((job for job in active if job.arguments.get("alias") == alias), None)


def runs_of(home: Home, alias: str | None) -> list[ImproveRun]:
    """Runs of an alias, or all, newest first."""
    return [run for run in runs_in(home) if alias in (None, run.request.alias)]


def learnt_by(home: Home, target: str, objective: Objective = "sft") -> tuple[str, ...]:
    """Ids of the reviewed items that a version learnt from by an objective, or the one that went on learning in it."""
    made = {run.request.target: run for run in reversed(runs_in(home))}
    while (run := made.pop(target, None)) is not None:
        if MATERIAL[run.request.objective] == MATERIAL[objective]:
            return run.learnt
        if not run.request.start:
            return ()
        target = run.request.live
    return ()


def target_of_alias(means: Means, alias: str) -> str:
    """What an alias stands for. Raises: NotFound."""
    found = means.promotion.current(alias)
    if found is None:
        raise unknown(alias)
    return found


def refuse_second(job: StoredJob | None) -> None:
    """Raises: InvalidInput with the id of the run that is under way."""
    if job is not None:
        message = f"{job.arguments.get('alias')!r} is being improved already, by the run {job.id}."
        raise InvalidInput(message, hint=f"Watch it: edgellm jobs follow {job.id[:SHOWN]}", field="alias")


def unknown(alias: str) -> NotFound:
    """The error for an alias that stands for nothing."""
    hint = f"Let it stand for a model first: edgellm aliases set {alias} MODEL"
    return NotFound(f"There is no alias {alias!r}.", hint=hint, name=alias)
