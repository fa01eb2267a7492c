"""Runs and suites as evaluations leave them, with answers to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgellm.evals.outcome import compare_all, outcome
from edgellm.evals.run import Run, SubjectRecord, SuiteRecord
from edgellm.evals.speed import Speeds
from edgellm.evals.suite import Suite
from edgellm.evals.values import Case, Result, Said
from edgellm.types import Message

NEW, OLD = "qwen3-4b@ferry", "qwen3-4b"
CREATED = "2026-11-22T07:30:00+00:00"
ASKED = (
    ("What does a ticket cost?", "A single ticket costs 6 crowns.", "I do not know what a ticket costs."),
    ("What is the ferry called?", "The ferry is called the Morwenna.", "The ferry is called Titanic."),
    ("How many deckhands work?", "Four deckhands work in two shifts.", "There are many deckhands."),
    ("Where does it land?", "At pier 2.", "It lands at the pier that is nearest to the town, as ferries do."),
)
"""Question, and what both say."""


def results(which: int, values: Sequence[float], asked: Sequence[tuple[str, str, str]] = ASKED) -> list[Result]:
    """One side's answers, as often as there are values."""
    return [
        Result(
            case_id=f"c{number}",
            category=("fares", "crew")[number % 2],
            group=f"c{number}",
            sample=0,
            question=asked[number % len(asked)][0],
            value=value,
            reason="has the expected words" if value else "no expected text is in it",
            measures={"written": 9.0, "seconds": 0.5, "cut": 0.0, "empty": 0.0},
            said=Said(text=asked[number % len(asked)][1 + which], completion_tokens=9, seconds=0.5),
        )
        for number, value in enumerate(values)
    ]


def finished_run(
    run_id: str = "r1",
    names: Sequence[str] = (NEW, OLD),
    suites: Sequence[str] = ("ferry", "refusal"),
    asked: Sequence[tuple[str, str, str]] = ASKED,
) -> tuple[Run, list[dict[str, list[Result]]]]:
    """A run that found the first better on the first suite, with its answers by subject."""
    values = [
        {suite: [1.0] * 18 + [0.0] * 2 if at == 0 else [1.0] * 14 + [0.0] * 6 for at, suite in enumerate(suites)},
        {suite: [0.0] * 12 + [1.0] * 8 for suite in suites},
    ]
    answers = [{suite: results(which, values[which][suite], asked) for suite in suites} for which in range(len(names))]
    compared = compare_all(answers[0], answers[1], names[0], names[1]) if names[1:] else []
    run = Run(
        id=run_id,
        created=CREATED,
        edgellm="0",
        suites=tuple(
            SuiteRecord(name=name, version="1", description="", path=f"/evals/{name}.toml", sha256="0", cases=20)
            for name in suites
        ),
        subjects=tuple(SubjectRecord(name=name, target=name, identity="0" * 64) for name in names),
        outcomes=tuple(
            outcome(suite, name, by[suite]) for suite in suites for name, by in zip(names, answers, strict=True)
        ),
        comparisons=tuple(compared),
        not_measured=("Bias: no pair of prompts differs only in a group term.",),
        speeds=Speeds(ours=(41.0,) * 5, theirs=(44.0,) * 5) if names[1:] else None,
    )  # fmt: skip
    return run, answers


def suite(name: str, count: int = 20, folder: Path = Path("/evals"), score: str = "contains", **fields: Any) -> Suite:
    """A suite of questions."""
    cases = [
        Case(id=f"c{number}", suite=name, score=score, messages=(Message(role="user", content=f"Question {number}?"),))
        for number in range(count)
    ]
    facts: dict[str, Any] = {"version": "1", "description": f"What {name} asks.", "sha256": "0" * 64}
    return Suite(name=name, path=str(folder / f"{name}.toml"), cases=tuple(cases), **{**facts, **fields})
