"""Asks a subject for every case, several at once, and scores what it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice

from edgellm.errors import ContextOverflow, InvalidInput, InvalidSchema
from edgellm.evals.scorers import SCORERS, needs
from edgellm.evals.scorers.kind import Need
from edgellm.evals.values import Case, Result, Said, Score, Subject, Tools

TOGETHER = 8
"""Cases asked at once: as many as the engine decodes together."""
REMEDIES: dict[Need, str] = {
    "weigh": "It needs log-probabilities of conversations, which this server does not give.",
    "embed": "It needs an embedder: install edgellm[embed], or set default_embedder.",
    "judge": "It needs a judge: name the model that judges.",
    "personal": "It needs what finds personal data: install edgellm[train].",
}


@dataclass(frozen=True, slots=True)
class Pace:
    """How far a run is."""

    done: int
    total: int
    rate: float | None
    """Answers a second since the run began."""
    left_s: float | None


OnDone = Callable[[Pace], None]


def check_needs(cases: Sequence[Case], subject: Subject, tools: Tools) -> None:
    """Refuse, before anything is asked, what could not be judged. Raises: InvalidInput."""
    there: dict[Need, bool] = {
        "weigh": subject.can_weigh,
        "embed": tools.embed is not None,
        "judge": tools.judge is not None,
        "personal": tools.personal is not None,
    }
    for case in cases:
        missing = next((need for need in sorted(needs(case)) if not there[need]), None)
        if missing is not None:
            message = f"The suite {case.suite!r} cannot be judged on {subject.name!r} (case {case.id!r})."
            raise InvalidInput(message, hint=REMEDIES[missing], field="suites")


def run(
    cases: Sequence[Case], subject: Subject, tools: Tools, on_done: OnDone, together: int = TOGETHER
) -> list[list[Result]]:
    """The results of each case, its samples in order.

    A case that the subject refuses (too long for its context) is worth 0 and says why; any other error ends the run.
    Raises: EdgeLLMError; what interrupts the caller passes through, and nothing more is asked then.
    """
    check_needs(cases, subject, tools)
    jobs = [(case, sample) for case in cases for sample in range(case.samples)]
    found: dict[int, Result] = {}
    began = time.monotonic()
    pool = ThreadPoolExecutor(together, thread_name_prefix="evaluate")
    try:
        for at, result in _in_turn(pool, jobs, lambda job: one(*job, subject, tools), 2 * together):
            found[at] = result
            on_done(_pace(len(found), len(jobs), time.monotonic() - began))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    every = iter(found[at] for at in range(len(jobs)))
    return [list(islice(every, case.samples)) for case in cases]


def one(case: Case, sample: int, subject: Subject, tools: Tools) -> Result:
    """One answer with its score. Raises: EdgeLLMError."""
    kind = SCORERS[case.score]
    try:
        said = kind.asks(case, sample, subject)
        score = kind.score(case, said, tools)
    except (ContextOverflow, InvalidSchema) as error:
        said, score = Said(), Score(value=0.0, reason=f"it was not answered: {error.message}")
    measures = {"cut": float(said.finish_reason == "length"), **score.measures}
    if said.completion_tokens and said.seconds:
        is_empty = not said.text.strip() and not said.tool_calls
        measures |= {"written": float(said.completion_tokens), "seconds": said.seconds, "empty": float(is_empty)}
    return Result(
        case_id=case.id,
        category=case.category,
        group=case.group,
        sample=sample,
        question=case.question,
        value=score.value,
        reason=score.reason,
        measures=measures,
        said=said,
    )


def _in_turn(
    pool: ThreadPoolExecutor,
    jobs: Sequence[tuple[Case, int]],
    work: Callable[[tuple[Case, int]], Result],
    ahead: int,
) -> Iterator[tuple[int, Result]]:
    """Results as they come; few jobs are handed out ahead, so that an error or an interrupt stops the asking soon."""
    waiting, running = enumerate(jobs), dict[Future[Result], int]()
    for at, job in islice(waiting, ahead):
        running[pool.submit(work, job)] = at
    while running:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield running.pop(future), future.result()
            for at, job in islice(waiting, 1):
                running[pool.submit(work, job)] = at


def _pace(done: int, total: int, seconds: float) -> Pace:
    rate = done / seconds if seconds > 0 else None
    return Pace(done, total, rate, (total - done) / rate if rate else None)
