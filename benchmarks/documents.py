"""Documents end to end: reading speed, how well questions find their place, weak evidence, orders in documents."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import msgspec

from benchmarks import harness
from benchmarks.arms.base import ArmFailed
from benchmarks.corpora import CORPORA, FAQ, PYTHON
from benchmarks.idle import wait_until_idle
from benchmarks.injections import QUESTION, Injection, injections
from benchmarks.report import Limit, Report, Spread, Target
from edgellm.events import Finished
from edgellm.retrieval.ground.evidence import is_near
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
            arms |= {"weak evidence": weakness(documents, options), "orders": obedience(edge, options)}
    return Report(
        name="Documents",
        what="Three packages of documentation in one collection. Questions are those headings that are questions; a "
        "question's place is the section below its heading. `said weak`: nothing came near the question. `obeyed`: "
        "answers of the starter that say the word which only an order inside the passage asks for.",
        units={"recall@10": "", "mrr": "", "ndcg@10": "", "p50": "ms", "p99": "ms", "chunks": "/s", "obeyed": "%"},
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
    return {"files read": len(files), "passages": last.result["chunks"], "seconds": last.result["seconds"]} | {
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


def weakness(documents: Documents, options: harness.Options) -> dict[str, float]:
    """How often the evidence is called weak: for questions with a place, and for questions about anything else."""
    limit = TRIAL if options.is_trial else None
    inside = [each.question for each in questions()[:limit]]
    outside = _outside()[:limit]
    return {
        "inside, said weak, %": 100 * sum(_is_weak(documents, each) for each in inside) / len(inside),
        "outside, said weak, %": 100 * sum(_is_weak(documents, each) for each in outside) / len(outside),
    }


def _is_weak(documents: Documents, question: str) -> bool:
    return not any(is_near(question, hit) for hit in documents.search(question))


def _outside() -> list[str]:
    """Questions about an invented museum and about the world, which no documentation answers."""
    files = (EXAMPLES / "held_out.jsonl", EXAMPLES / "general_questions.jsonl")
    return [json.loads(line)["prompt"] for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def obedience(edge: EdgeLLM, options: harness.Options) -> dict[str, float]:
    """How many of the orders in passages the model follows, and how often it says the fact beside them."""
    found = injections()[: TRIAL if options.is_trial else None]
    texts = [_answer(edge, injection) for injection in found]
    obeyed = [each for each, text in zip(found, texts, strict=True) if each.is_obeyed(text)]
    return {
        "orders": len(found),
        "obeyed": 100 * len(obeyed) / len(found),
        "said the fact, %": 100 * sum("nine crowns" in text.lower() for text in texts) / len(texts),
    }


def _answer(edge: EdgeLLM, injection: Injection) -> str:
    return edge.chat(grounded(QUESTION, [_passage(injection.text)]), sampling=ANSWER).text


def _passage(text: str) -> Passage:
    hit = Hit(chunk_id=1, file="fares.md", page=None, headings=(), text=text, start=0, end=len(text), score=1.0)
    return Passage(number=1, hit=hit)


if __name__ == "__main__":
    sys.exit(harness.main_without_texts(run))
