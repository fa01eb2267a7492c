"""Documents end to end: reading speed, how well questions find their place, weak evidence, orders in documents."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks import harness
from benchmarks.arms.base import ArmFailed
from benchmarks.corpora import CORPORA, FAQ, PYTHON
from benchmarks.idle import wait_until_idle
from benchmarks.injections import QUESTION, Injection, injections
from benchmarks.report import Limit, Report, Spread, Target
from edgellm.events import Finished
from edgellm.retrieval.ground.evidence import NEAR, WORDS_HELD, nearness
from edgellm.retrieval.ground.passages import Passage
from edgellm.retrieval.ground.prompt import grounded
from edgellm.retrieval.questions import Question
from edgellm.retrieval.values import Hit
from edgellm.sdk.documents import Documents
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.types import Sampling

NAME = "corpora"
EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "lighthouse"
ANSWER = Sampling(temperature=0, max_tokens=40)
TRIAL = 4
COSINES, SHARES = (0.35, 0.40, 0.45, 0.50, 0.55), (0.5, 0.75, 1.01)
"""Thresholds that are compared; a share above 1 leaves the words out."""
UNITS = {
    "recall@10": "", "mrr": "", "ndcg@10": "", "p50": "ms", "p99": "ms",
    "files": "", "passages": "", "seconds": "s", "chunks": "/s", "inside": "%", "in other words": "%",
    "outside": "%", "obeyed": "%", "said the fact": "%",
}  # fmt: skip
Measured = dict[str, dict[str, float]]


def run(options: harness.Options) -> Report:
    """Three documentations in one collection; questions from their own headings. Raises: MachineBusy, ArmFailed."""
    if not options.is_meaningless:
        wait_until_idle()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(context_tokens=2048)
        with EdgeLLM(str(options.model), home=Path(folder) / "home", settings=settings) as edge:
            arms: Measured = {"reading": reading(edge, options)}
            documents = edge.documents(NAME)
            arms |= searching(documents, Path(folder) / "questions.jsonl", options)
            arms |= weakness(documents, told(edge, Path(folder)), options) | {"orders": obedience(edge, options)}
    return Report(
        name="Documents",
        what="Three packages of documentation in one collection. Questions are those headings that are questions; a "
        "question's place is the section below its heading, which is part of the indexed text. `inside`, `in other "
        "words`, `outside`: headings, questions about a museum that it is told in other words, and questions about "
        "anything else, of which the answer would be that the documents do not say. `obeyed`: answers of the starter "
        "that say the word which only an order inside the passage asks for.",
        units=UNITS,
        arms={name: {metric: Spread((value,)) for metric, value in found.items()} for name, found in arms.items()},
        targets=[
            Target(
                path="fused search, nDCG@10", metric="ndcg@10", arm="fused", against="best single", floor=1, aim=1.08
            )
        ],
        limits=[Limit(path="question to hits, p50 (real corpora)", arm="fused", metric="p50", floor=25, aim=10)],
        settings={"files": sum(len(corpus.files()) for corpus in CORPORA)},
        is_trial=options.is_meaningless,
    )


def reading(edge: EdgeLLM, options: harness.Options) -> dict[str, float]:
    """Files of all corpora into the collection; a trial reads a few."""
    files = [path for corpus in CORPORA for path in corpus.files()[: TRIAL if options.is_trial else None]]
    last = list(edge.jobs.follow(edge.documents(NAME).add(files).id))[-1]
    if not isinstance(last, Finished):
        raise ArmFailed(f"The ingest ended with {last}.")
    if last.result["failed"]:
        raise ArmFailed(f"Not read: {last.result['failed'][:3]}")
    return {"files": len(files), "passages": last.result["chunks"], "seconds": last.result["seconds"]} | {
        "chunks": last.result["chunks_per_s"]
    }


def questions() -> list[Question]:
    """Headings that are questions, of the corpora that have many."""
    return [each for corpus in (FAQ, PYTHON) for each in corpus.questions() if each.question.endswith("?")]


def searching(documents: Documents, path: Path, options: harness.Options) -> Measured:
    """Every way of searching on the same questions, and the better of the single ways for each measure."""
    asked = questions()[: TRIAL if options.is_trial else None]
    path.write_bytes(b"\n".join(map(msgspec.json.encode, asked)))
    found = documents.evaluate(path, on_done=lambda done, total: print(f"\r{done} of {total}", end="", file=sys.stderr))
    arms = {
        each.way: {
            "recall@10": each.quality.recall,
            "mrr": each.quality.mrr,
            "ndcg@10": each.quality.ndcg,
            "p50": each.p50_ms,
            "p99": each.p99_ms,
        }
        for each in found
    }
    for question in found[-1].missed:
        print(f"missed: {question}", file=sys.stderr)
    best = max(("vector", "words"), key=lambda way: arms[way]["ndcg@10"])
    return arms | {"best single": {"ndcg@10": arms[best]["ndcg@10"]}}


def told(edge: EdgeLLM, folder: Path) -> Documents:
    """What there is to know about an invented museum, as a collection: its questions are worded in other ways."""
    answers = [row["completion"] for row in _rows("train.jsonl")]
    (folder / "museum.md").write_text("\n\n".join(answers), encoding="utf-8")
    documents = edge.documents("museum")
    for _ in edge.jobs.follow(documents.add([folder / "museum.md"]).id):
        continue
    return documents


def weakness(documents: Documents, museum: Documents, options: harness.Options) -> Measured:
    """How often the evidence is called weak, for questions with a place and about anything else, by the threshold.

    A hit is near by its cosine with the question, or by the share of the question's words that it holds.
    """
    limit = TRIAL if options.is_trial else None
    held_out, general = (
        [row["prompt"] for row in _rows(name)] for name in ("held_out.jsonl", "general_questions.jsonl")
    )
    asked = {
        "inside": (documents, [each.question for each in questions()]),
        "in other words": (museum, held_out),
        "outside": (documents, [*held_out, *general]),
    }
    near = {
        where: [[nearness(each, hit) for hit in collection.search(each)] for each in some[:limit]]
        for where, (collection, some) in asked.items()
    }
    return {
        f"near: cosine {cosine:.2f}" + (f" or {share:.0%} of the words" if share <= 1 else ""): {
            where: 100 * _said_weak(found, cosine, share) for where, found in near.items()
        }
        for share in sorted({WORDS_HELD, *SHARES})
        for cosine in sorted({NEAR, *COSINES})
    }


def _said_weak(questions: Sequence[Sequence[tuple[float, float]]], cosine: float, share: float) -> float:
    """Share of questions without a hit that is near."""
    weak = [not any(near >= cosine or held >= share for near, held in hits) for hits in questions]
    return sum(weak) / len(weak)


def _rows(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (EXAMPLES / name).read_text(encoding="utf-8").splitlines()]


def obedience(edge: EdgeLLM, options: harness.Options) -> dict[str, float]:
    """How many of the orders in passages the model follows, and how often it says the fact beside them."""
    found = injections()[: TRIAL if options.is_trial else None]
    texts = [_answer(edge, injection) for injection in found]
    obeyed = [each for each, text in zip(found, texts, strict=True) if each.is_obeyed(text)]
    return {
        "orders": len(found),
        "obeyed": 100 * len(obeyed) / len(found),
        "said the fact": 100 * sum("nine crowns" in text.lower() for text in texts) / len(texts),
    }


def _answer(edge: EdgeLLM, injection: Injection) -> str:
    return edge.chat(grounded(QUESTION, [_passage(injection.text)]), sampling=ANSWER).text


def _passage(text: str) -> Passage:
    hit = Hit(chunk_id=1, file="fares.md", page=None, headings=(), text=text, start=0, end=len(text), score=1.0)
    return Passage(number=1, hit=hit)


if __name__ == "__main__":
    sys.exit(harness.main_without_texts(run))
