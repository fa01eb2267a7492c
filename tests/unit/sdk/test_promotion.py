"""The gate, promoting and rolling back, on the built-in model."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.errors import GateClosed, InvalidInput, NotFound
from edgellm.events import Finished
from edgellm.hub.adapters import BaseRecord, Shelf
from edgellm.paths import write_private
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.promotion import versions_of
from edgellm.store import AliasChange
from edgellm.store.audit import Event, append

PARIS = "fake:says=It%20is%20Paris."
ROME = "fake:says=It%20is%20Rome."
SLOW = "fake:decode_row_s=0.01"
MUST = 'schema = 1\n[[must]]\nsuite = "towns"\nchange = "not worse"\n[[must]]\nsuite = "towns"\nat_least = 0.5\n'


@pytest.fixture
def edge(edgellm_home: Path) -> Iterator[EdgeLLM]:
    with EdgeLLM("fake:", home=edgellm_home) as made:
        write_private(made.home.settings, b"context_tokens = 1024\n")
        yield made


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a suite that asks for Paris, and a policy."""
    cases = "".join(f'[[case]]\nprompt = "Question {number}?"\nexpected = "Paris"\n' for number in range(10))
    (tmp_path / "towns.toml").write_text(f'schema = 1\nscore = "contains"\nmax_tokens = 16\n{cases}')
    (tmp_path / "policy.toml").write_text(MUST)
    return tmp_path


def judged(edge: EdgeLLM, project: Path, candidate: str, against: str | None = None) -> str:
    """Id of the run that the gate decides by."""
    job = edge.promotion.begin(candidate, against=against, policy=project / "policy.toml", folder=project)
    assert isinstance(list(edge.jobs.follow(job.id))[-1], Finished)
    return job.id


def change(target: str | None) -> AliasChange:
    return AliasChange(name="a", target=target, actor="local", at=0.0)


@pytest.mark.parametrize(
    ("targets", "versions"),
    [
        (["one"], ["one"]),
        (["one", "two", "three"], ["one", "two", "three"]),
        (["one", "two", "three", "two"], ["one", "two"]),
        (["one", "two", "three", "two", "one"], ["one"]),
        (["one", "two", "one", "three"], ["one", "three"]),
        (["one", "two", None, "three"], ["three"]),
        ([None], []),
    ],
)
def test_versions_lie_upon_each_other(targets: list[str | None], versions: list[str]) -> None:
    assert versions_of([change(target) for target in reversed(targets)]) == versions


def test_what_passes_goes_live_and_comes_back(edge: EdgeLLM, project: Path) -> None:
    policy = project / "policy.toml"
    edge.aliases.set("assistant", ROME)
    run = judged(edge, project, PARIS, ROME)
    moved = edge.promotion.promote(run, "assistant", policy)
    assert (moved.target, moved.before) == (PARIS, ROME)
    assert edge.aliases.resolve("assistant") == PARIS
    entry = edge.audit.list(1)[0]
    assert (entry.action, entry.facts["run"], entry.facts["before"]) == ("alias.set", run, ROME)
    back = edge.promotion.back("assistant")
    assert (back.before, back.target) == (PARIS, ROME)
    assert edge.aliases.resolve("assistant") == PARIS, "what would be done, not done"
    assert edge.promotion.rollback("assistant") == back
    facts = edge.audit.list(1)[0].facts
    assert (facts["rolled_back"], facts["run_before"]) == (True, run), "the report of what did not prove itself"
    assert "run" not in facts, "no gate let the first version live: it was set by hand"
    with pytest.raises(InvalidInput, match="its first version"):
        edge.promotion.rollback("assistant")


def test_who_goes_back_is_told_by_which_report_that_version_was_let_live(edge: EdgeLLM, project: Path) -> None:
    policy = project / "policy.toml"
    first = judged(edge, project, PARIS)
    edge.promotion.promote(first, "other", policy)
    edge.promotion.promote(first, "assistant", policy)
    again = "fake:says=Paris%20again."
    second = judged(edge, project, again, PARIS)
    edge.promotion.promote(second, "assistant", policy)
    edge.promotion.rollback("assistant")
    facts = edge.audit.list(1)[0].facts
    assert (facts["target"], facts["run"], facts["run_before"]) == (PARIS, first, second)


def test_going_back_takes_less_than_a_second_however_long_the_audit_log_is(edge: EdgeLLM) -> None:
    for number in range(6):
        edge.aliases.set("assistant", f"fake:says=version{number}")
    with edge.promotion._store()._database.write() as execute:  # one transaction: 20,000 of their own take minutes
        for number in range(20_000):
            append(execute, Event("local", "key.create", f"k{number}"), time.time())
    took = []
    for _ in range(5):
        began = time.monotonic()
        edge.promotion.rollback("assistant")
        took.append(time.monotonic() - began)
    assert min(took) < 1.0, took  # of five, because other work may run on this machine
    assert edge.aliases.resolve("assistant") == "fake:says=version0"


def test_what_does_not_pass_moves_nothing(edge: EdgeLLM, project: Path) -> None:
    edge.aliases.set("assistant", PARIS)
    run = judged(edge, project, ROME, PARIS)
    assert not edge.promotion.verdict(run, project / "policy.toml").passed
    with pytest.raises(GateClosed, match=r"does not pass: towns, not worse: worse: -100\.0 points"):
        edge.promotion.promote(run, "assistant", project / "policy.toml")
    assert edge.aliases.resolve("assistant") == PARIS


def test_a_first_version_needs_no_current_one(edge: EdgeLLM, project: Path) -> None:
    moved = edge.promotion.promote(judged(edge, project, PARIS), "assistant", project / "policy.toml")
    assert (moved.target, moved.before) == (PARIS, None)


def test_a_run_against_something_else_decides_nothing(edge: EdgeLLM, project: Path) -> None:
    run = judged(edge, project, PARIS, ROME)
    edge.aliases.set("assistant", "fake:says=other")
    with pytest.raises(InvalidInput, match="did not compare with 'fake:says=other'"):
        edge.promotion.promote(run, "assistant", project / "policy.toml")


def attached(edge: EdgeLLM, folder: Path, name: str, content: str) -> str:
    """The built-in model with an adapter of this content."""
    path = folder / f"{name}.gguf"
    path.write_text(content)
    Shelf(edge.home).attach(path, BaseRecord(name="fake:", sha256="fake:"))
    return f"fake:@{name}"


@pytest.mark.parametrize("replaced", ["new", "old"])
def test_an_adapter_that_was_made_again_under_its_name_was_not_judged(
    edge: EdgeLLM, project: Path, replaced: str
) -> None:
    """The gate let the first one pass; what is there now nobody asked anything."""
    (project / "policy.toml").write_text('schema = 1\n[[must]]\nsuite = "towns"\nchange = "not worse"\n')
    old, new = (attached(edge, project, name, name) for name in ("old", "new"))
    edge.aliases.set("assistant", old)
    run = judged(edge, project, new, old)
    Shelf(edge.home).remove(replaced)
    attached(edge, project, replaced, "other weights")
    with pytest.raises(InvalidInput, match="something else by now" if replaced == "new" else "did not compare with"):
        edge.promotion.promote(run, "assistant", project / "policy.toml")
    Shelf(edge.home).remove(replaced)
    attached(edge, project, replaced, replaced)
    assert edge.promotion.promote(run, "assistant", project / "policy.toml").target == new


def test_of_two_who_promote_at_once_one_is_told(edge: EdgeLLM, project: Path) -> None:
    run = judged(edge, project, PARIS)
    refused = list[Exception]()

    def promote() -> None:
        try:
            edge.promotion.promote(run, "assistant", project / "policy.toml")
        except InvalidInput as error:
            refused.append(error)

    threads = [threading.Thread(target=promote) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert edge.aliases.resolve("assistant") == PARIS
    assert len(edge.aliases.history("assistant")) == 1


@pytest.mark.parametrize(("candidate", "current", "passes"), [("fake:", SLOW, True), (SLOW, "fake:", False)])
def test_speed_is_measured_for_the_decision(
    edge: EdgeLLM, project: Path, candidate: str, current: str, passes: bool
) -> None:
    rules = '[[must]]\nsuite = "towns"\nat_least = 0\n[speed]\nratio_at_least = 0.9\n'
    (project / "policy.toml").write_text(f"schema = 1\n{rules}")
    run = judged(edge, project, candidate, current)
    verdict = edge.promotion.verdict(run, project / "policy.toml")
    assert verdict.lines[1].holds == verdict.passed == passes, verdict
    assert "tok/s" in edge.evals.report(run).read_text()
    first = judged(edge, project, candidate)
    assert edge.evals.get(first).speeds is None
    assert edge.promotion.verdict(first, project / "policy.toml").passed, "a first version has no speed to keep"


def test_names_that_are_not_there(edge: EdgeLLM) -> None:
    assert edge.promotion.current("nobody") is None
    with pytest.raises(NotFound):
        edge.promotion.rollback("nobody")
    with pytest.raises(NotFound):
        edge.promotion.verdict("nothing")
