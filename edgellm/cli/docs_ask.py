"""`edgellm docs search`, `ask` and `eval`: passages, answers with citations, and how good the search is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgellm.cli.answer import follow, in_one_line
from edgellm.cli.diagnostics import Code
from edgellm.cli.docs_names import COLLECTION, JSON
from edgellm.cli.names import MODEL
from edgellm.cli.style import bold, dim, warn
from edgellm.cli.table import Column
from edgellm.cli.talk import ChatOptions
from edgellm.cli.units import count, span
from edgellm.cli.world import World, pass_world
from edgellm.retrieval.values import Filters, named_place

if TYPE_CHECKING:
    from edgellm.retrieval.evaluate import Found
    from edgellm.retrieval.values import Hit
    from edgellm.types import Evidence, Reply

SHOWN_CHARS = 300
"""Of a passage in a list of hits."""
MODE = click.Choice(["reranked", "fused", "vector", "words"])
FILTERS = (
    click.option("--file", "files", multiple=True, metavar="NAME", help="Only this file; * and ? stand for any text."),
    click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only pdf, docx, html, markdown, ..."),
    click.option("--tag", "tags", multiple=True, metavar="TAG", help="Only files with this tag."),
    click.option("--since", metavar="DAY", help="Only documents from this day on: 2026-01-31."),
    click.option("--until", metavar="DAY", help="Only documents up to this day."),
)


def _filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(FILTERS):
        command = option(command)
    return command


@click.command("search")
@click.argument("query")
@COLLECTION
@click.option("-n", "--limit", type=int, default=8, show_default=True, metavar="N", help="Most passages.")
@click.option(
    "--mode", type=MODE, help="By meaning (vector), by words, by both (fused), or what a cross-encoder makes of that."
)
@_filtered
@JSON
@pass_world
def search(world: World, /, query: str, collection: str, as_data: bool, **wanted: Any) -> int:
    """Find passages for a question."""
    how = {name: wanted.pop(name) for name in ("limit", "mode")}
    with world.open() as edge:
        hits = edge.documents(collection).search(query, **how, filters=Filters(**wanted))
    if as_data:
        world.out.json([asdict(hit) for hit in hits])
    else:
        for number, hit in enumerate(hits, 1):
            _show_hit(world, number, hit)
        if not hits:
            world.err.note("Nothing was found.")
    return Code.DONE if hits else Code.ANSWER_IS_NO


def _show_hit(world: World, number: int, hit: Hit) -> None:
    near = "" if hit.similarity is None else f"  similarity {hit.similarity:.2f}"
    words = "" if hit.word_rank is None else f"  {hit.word_rank}. by words"
    world.out.line(bold(f"{number}  {named_place(hit.file, hit.page, hit.headings)}"), dim(near + words))
    text = " ".join(hit.text.split())
    world.out.text(f"   {text[:SHOWN_CHARS]}{'…' if len(text) > SHOWN_CHARS else ''}")


@click.command("ask")
@click.argument("question")
@COLLECTION
@click.option("-m", "--model", type=MODEL, metavar="MODEL[@ADAPTER]", help="The model that answers.")
@click.option("--max-tokens", type=int, metavar="N", help="Write at most N tokens.")
@JSON
@pass_world
def ask(world: World, /, question: str, collection: str, as_data: bool, **said: Any) -> int:
    """Answer a question from a collection.

    Every citation is checked: [1] stands only behind a sentence that its passage holds. When nothing in the documents
    comes near the question, the answer says so and no model is asked.

    With --json the keys are answer, citations (n, file, page, heading, text, score), unsupported, removed, is_weak,
    model and timings.
    """
    model = said["model"]
    with world.open(model) as edge:
        sampling = ChatOptions(temperature=0.0, max_tokens=said["max_tokens"]).sampling(edge.settings.sampling)
        world.err.status(f"searching {collection}")
        stream = edge.documents(collection).ask(question, stream=True, model=model, sampling=sampling)
        reply, ended_by = follow(stream, world, quiet=True)
    assert reply.evidence is not None  # asked with documents
    if as_data:
        world.out.json(_as_json(reply, reply.evidence))
    else:
        world.out.text(reply.text)
        _show_sources(world, reply, reply.evidence)
    return ended_by


def _show_sources(world: World, reply: Reply, evidence: Evidence) -> None:
    shown: set[tuple[int, int]] = set()
    for citation in evidence.citations:
        if (citation.n, citation.start) not in shown:
            shown.add((citation.n, citation.start))
            world.out.line(bold(f"[{citation.n}] "), named_place(citation.file, citation.page, citation.headings))
            world.out.line(dim(f"    “{' '.join(citation.text.split())[:SHOWN_CHARS]}”"))
    for begin, end in evidence.unsupported:
        world.out.line(warn("unsupported"), f"  {' '.join(reply.text[begin:end].split())}")
    if evidence.removed:
        world.err.note(f"{count(evidence.removed, 'citation')} did not hold and {_was(evidence.removed)} taken out.")
    if world.out.is_terminal and not evidence.is_weak:
        world.err.note(f"{in_one_line(reply)} · found in {span(evidence.search_s)}")


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _as_json(reply: Reply, evidence: Evidence) -> dict[str, Any]:
    citations = [
        {
            "n": each.n,
            "file": each.file,
            "page": each.page,
            "heading": " > ".join(each.headings),
            "text": each.text,
            "score": each.score,
            "start": each.start,
            "end": each.end,
            "is_added": each.is_added,
        }
        for each in evidence.citations
    ]
    return {
        "answer": reply.text,
        "citations": citations,
        "unsupported": [reply.text[begin:end] for begin, end in evidence.unsupported],
        "removed": evidence.removed,
        "is_weak": evidence.is_weak,
        "collection": evidence.collection,
        "model": reply.model,
        "timings": {"search_s": evidence.search_s, **asdict(reply.timings)},
    }


@click.command("eval")
@COLLECTION
@click.option("--questions", required=True, type=click.Path(path_type=Path), metavar="FILE", help="JSON lines.")
@click.option("-k", type=click.IntRange(1, 100), default=10, show_default=True, help="Hits that count.")
@click.option("--missed", "shows_missed", is_flag=True, help="List the questions whose place was not found.")
@JSON
@pass_world
def evaluate(world: World, /, collection: str, k: int, as_data: bool, **said: Any) -> None:
    """Measure the search on questions whose place is known.

    A line of FILE: {"question": "What does a ticket cost?", "file": "fares.pdf", "page": 3}. `file` is the end of a
    name; page, heading and passage may be left out.
    """
    with world.open() as edge:

        def progress(done: int, total: int) -> None:
            world.err.status(f"asking {done:,} of {total:,}")

        found = edge.documents(collection).evaluate(said["questions"], k=k, on_done=progress)
    world.err.clear_status()
    if as_data:
        world.out.json([asdict(each) for each in found])
        return
    header = ["SEARCH", f"RECALL@{k}", "MRR", f"NDCG@{k}", "P50", "P99"]
    world.out.table([Column(name, right=name != "SEARCH") for name in header], [_figures(each) for each in found])
    world.err.note(f"{count(found[0].quality.questions, 'question')}.")
    if said["shows_missed"]:
        for question in found[-1].missed:
            world.out.line(warn("missed"), "  ", question)


def _figures(found: Found) -> tuple[Any, ...]:
    quality = found.quality
    numbers = (f"{value:.3f}" for value in (quality.recall, quality.mrr, quality.ndcg))
    return (bold(found.way), *numbers, f"{found.p50_ms:.1f} ms", f"{found.p99_ms:.1f} ms")
