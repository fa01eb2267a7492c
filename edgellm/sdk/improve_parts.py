"""What the stages of the loop do, with the parts of an EdgeLLM."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgellm.data.build import Target, build
from edgellm.data.dataset import open_dataset, read_manifest
from edgellm.data.examine import Tools
from edgellm.data.language import language_detector
from edgellm.data.rows import ChatRow, Example, Record, Row, decode_row, encode_row
from edgellm.data.rules import Rules
from edgellm.data.sources import ChatSource
from edgellm.errors import InvalidInput
from edgellm.hub.installed import sha256_of
from edgellm.paths import write_private
from edgellm.sdk.improve_job import Begun, Step
from edgellm.sdk.improve_lessons import (
    corrected_cases,
    earlier_rows,
    item_of,
    items_in,
    objective_for,
    other_wordings,
    parted,
    rules_for,
)
from edgellm.sdk.improve_plan import beginning, is_there, settings_of
from edgellm.sdk.improve_run import (
    BEFORE,
    CORRECTED,
    LESSONS,
    MATERIAL,
    POLICY,
    SUITE,
    SUITE_BEFORE,
    ImproveRun,
    Rule,
    Score,
    StageName,
    folder_of,
)
from edgellm.sdk.work import Emit

if TYPE_CHECKING:
    from edgellm.evals.run import Run
    from edgellm.sdk.facade import EdgeLLM

QUEUE, EARLIER = "review queue", "earlier rows"
SPLITS = ("train", "valid", "test")


class EdgeParts:
    """The stages, done."""

    def __init__(self, edge: EdgeLLM, emit: Emit) -> None:
        self._edge, self._emit = edge, emit
        self._home = edge.home
        self.jobs = edge.jobs

    def collect(self, run: ImproveRun) -> Step:
        """Lessons, suite and policy as they are now, so that later decisions change nothing of this run.

        Raises: InvalidInput when nothing is left that could be learnt from.
        """
        request, folder = run.request, folder_of(self._home, run.id)
        lessons = self._edge.reviews.lessons(request.tenant)
        objective_for(lessons, request.objective)
        live = beginning(self._home, _model_of(request.live), request.objective)
        if live.start != request.start:
            message = f"The live version changed since the run was planned: {live.why}."
            raise InvalidInput(message, hint="Plan it again.", field="alias")
        earlier = self._earlier(live.dataset)
        replayed = list(earlier_rows(earlier, lessons, request.replay))
        write_private(folder / LESSONS, b"".join(map(encode_row, (*lessons.rows, *replayed))))
        self._edge.reviews.write(lessons, folder)
        learnt = items_in(lessons, request.objective)
        wordings = other_wordings(self._edge.reviews, learnt)
        cases = corrected_cases(lessons, wordings, judged=bool(request.judge))
        new, before = parted(cases, self._edge.improve.learnt_by(request.live))
        for name, some in ((SUITE, new), (SUITE_BEFORE, before)):
            write_private(folder / name, b"".join(msgspec.json.encode(case) + b"\n" for case in some))
        policy = Path(request.policy).read_text(encoding="utf-8-sig")
        write_private(folder / POLICY, (policy + rules_for(new, before)).encode())
        known = set(self._edge.improve.learnt_by(request.live, request.objective))
        changes = {
            "learnt": learnt,
            "new": sum(item not in known for item in learnt),
            "replayed": len(replayed),
            "held": len(lessons.held),
        }
        note = f"{changes['new']} new of {len(learnt)}, {len(replayed)} earlier rows"
        return Step(note=note + (f", {len(lessons.held)} held" if lessons.held else ""), changes=changes)

    def dataset(self, run: ImproveRun) -> Step:
        """All lessons in the split that is learnt from: whoever corrected an answer expects it to be right."""
        if run.request.objective != "sft":
            return Step(note="judged answers are learnt from as they are", is_skipped=True)
        rows = _rows(folder_of(self._home, run.id) / LESSONS)
        queue, earlier = ([row for row in rows if bool(item_of(row.source.file)) is its] for its in (True, False))
        sources = [RowSource(QUEUE, queue, "the review queue")]
        if earlier:
            sources.append(RowSource(EARLIER, earlier, "the live version's dataset"))
        target = Target(home=self._home.datasets, name=run.request.candidate, replace=True)
        rules = Rules(short_answers="keep", near_duplicates="keep", valid_share=0.0, test_share=0.0)
        made = build(sources, target, rules, Tools(detect_language=language_detector()), self._emit)
        counts = made.manifest.counts
        left_out = sum(counts.dropped.values())
        return Step(note=f"{counts.kept} rows" + (f", {left_out} left out" if left_out else ""))

    def begun(self, name: StageName, run: ImproveRun) -> list[Begun]:
        """Jobs of the stages that take long."""
        if name == "documents":
            return [self._syncing(collection) for collection in run.request.collections]
        return [self._teaching(run) if name == "train" else self._asking(run)]

    def is_done(self, name: StageName, run: ImproveRun) -> bool:
        """An adapter that was made is there, also when its job ended before it could say so."""
        if name != "train":
            return False
        if run.request.objective == "sft":
            learnt = read_manifest(self._home.datasets / run.request.candidate).dataset_hash
        else:
            learnt = sha256_of(self._judgements(run))
        return is_there(self._home, run.request.candidate, learnt)

    def ended(self, name: StageName, run: ImproveRun) -> Step:
        """What came of it."""
        job = self.jobs.get(run.stage(name).jobs[-1]) if run.stage(name).jobs else None
        result: Mapping[str, Any] = (job.result if job else None) or {}
        if name == "documents":
            names = run.request.collections
            return Step(note=", ".join(names), is_skipped=False) if names else Step(note="none", is_skipped=True)
        if name == "train":
            losses = result.get("losses", {})
            loss = f", loss {losses['first']:.2f} to {losses['last']:.2f}" if losses else ""
            return Step(note=f"{run.request.candidate}{loss}")
        found = self._edge.evals.get(run.stage(name).jobs[-1])
        compared = found.subjects[1].name if len(found.subjects) > 1 else ""
        changes = {"evaluation": found.id, "compared": compared}
        return Step(note=f"{len(found.suites)} suites", changes=changes)

    def gate(self, run: ImproveRun) -> tuple[bool, tuple[Rule, ...], tuple[Score, ...]]:
        """The gate's verdict by the frozen policy, with the scores it was decided by."""
        verdict = self._edge.promotion.verdict(run.evaluation, folder_of(self._home, run.id) / POLICY)
        lines = (Rule(suite=each.suite, rule=each.rule, found=each.found, holds=each.holds) for each in verdict.lines)
        return verdict.passed, tuple(lines), tuple(_scores(self._edge.evals.get(run.evaluation)))

    def propose(self, run: ImproveRun) -> Step:
        """Whether it may go live; the alias moves only where that was asked for."""
        target = run.request.target
        if not run.passed:
            return Step(note=f"{target} stays a candidate")
        if not run.request.promotes:
            return Step(note=f"{target} may go live")
        alias = run.request.alias
        if self._edge.promotion.current(alias) != target:  # an attempt that was killed may have moved it
            self._edge.promotion.promote(run.evaluation, alias, folder_of(self._home, run.id) / POLICY)
        return Step(note=f"{alias} is {target}", changes={"promoted": True})

    def _earlier(self, dataset: str) -> list[Row]:
        """All rows that the live version was taught."""
        if not dataset:
            return []
        found = open_dataset(self._home.datasets / dataset)
        return [row for split in SPLITS for row in found.rows(split)]  # type: ignore[arg-type]  # literals

    def _syncing(self, collection: str) -> Begun:
        def fits(arguments: Mapping[str, Any]) -> bool:
            return arguments.get("collection") == collection and bool(arguments.get("sync"))

        return Begun(kind="ingest", start=self._edge.documents(collection).sync, fits=fits)

    def _teaching(self, run: ImproveRun) -> Begun:
        request = run.request
        base = f"{request.base}@{request.start}" if request.start else request.base
        settings = settings_of(request.objective, request.settings)
        data: str | Path = request.candidate
        if request.objective != "sft":
            data = self._judgements(run)
        return Begun(
            kind="train",
            start=lambda: self._edge.training.start(data, base, request.candidate, settings),
            fits=lambda arguments: arguments.get("name") == request.candidate,
        )

    def _judgements(self, run: ImproveRun) -> Path:
        """The file that an objective other than `sft` learns from."""
        return folder_of(self._home, run.id) / f"{MATERIAL[run.request.objective]}.jsonl"

    def _asking(self, run: ImproveRun) -> Begun:
        request, folder = run.request, folder_of(self._home, run.id)
        files = {name: Path(path) for name, path in request.suites.items()}
        for name, path in ((CORRECTED, folder / SUITE), (BEFORE, folder / SUITE_BEFORE)):
            if path.stat().st_size:
                files[name] = path
        return Begun(
            kind="evaluate",
            start=lambda: self._edge.promotion.begin(
                request.target,
                against=self._edge.promotion.current(request.alias),
                policy=folder / POLICY,
                judge=request.judge or None,
                files=files,
            ),
            fits=lambda arguments: _first_subject(arguments) == request.target,
        )


def _model_of(target: str) -> str:
    from edgellm.sdk.addressing import target_of

    return target_of(target).model


def _rows(path: Path) -> list[Row]:
    return [decode_row(line) for line in path.read_bytes().splitlines()]


class RowSource(ChatSource):
    """Rows of datasets, each with the origin that it had."""

    def __init__(self, name: str, rows: Sequence[Row], why: str) -> None:
        super().__init__(name, (), why)
        self._rows = rows

    def records(self) -> Iterator[Record]:
        """One example a row; fills the report."""
        digest = hashlib.sha256()
        for row in self._rows:
            line = encode_row(row)
            digest.update(line)
            self.report.rows += 1
            self.report.bytes += len(line)
            if isinstance(row, ChatRow):
                yield Example(row.source, row.messages)
            else:
                yield Example(row.source, text=row.text)
        self.report.sha256 = digest.hexdigest()


def _first_subject(arguments: Mapping[str, Any]) -> str:
    subjects = arguments.get("subjects") or [{}]
    return str(subjects[0].get("name", ""))


def _scores(run: Run) -> Iterable[Score]:
    """Every suite that has a score, beside the version before."""
    ours, theirs = run.subjects[0].name, run.subjects[1].name if len(run.subjects) > 1 else None
    words = {each.suite: each.word for each in run.comparisons if each.baseline == theirs}
    for suite in run.suites:
        score = run.outcome(suite.name, ours).tally.score
        before = run.outcome(suite.name, theirs).tally.score if theirs else None
        if score is not None:
            yield Score(
                suite=suite.name,
                mean=score.mean,
                low=score.low,
                high=score.high,
                before=None if before is None else before.mean,
                word=words.get(suite.name, ""),
            )
