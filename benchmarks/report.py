"""Results: medians with their spread, ratios against targets, as table and JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.facts import Facts


@dataclass(frozen=True, slots=True)
class Spread:
    """Repeated measurements of one quantity."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The value reported."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        if len(self.values) == 1:
            return number(self.median)
        return f"{number(self.median)} ({number(min(self.values))} to {number(max(self.values))})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What one ratio should reach."""

    path: str
    """The row in the table of targets."""
    metric: str
    against: str
    """Name of the arm it is compared with."""
    floor: float | None
    aim: float | None
    arm: str = "edgellm"
    """Name of our own arm."""
    is_lower_better: bool = False
    """For times, counts and gaps: the ratio is then baseline over ours, so that more is always better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """One target and what was measured for it."""

    target: Target
    value: float

    @property
    def verdict(self) -> str:
        """How it stands, in words."""
        return verdict(self.value, floor=self.target.floor, aim=self.target.aim)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """An absolute bound on one of our own quantities; less is better."""

    path: str
    """The row in the table of targets."""
    arm: str
    metric: str
    floor: float
    aim: float

    def verdict(self, value: float) -> str:
        """How a measured value stands, in words."""
        return verdict(-value, floor=-self.floor, aim=-self.aim)


def verdict(value: float, *, floor: float | None, aim: float | None) -> str:
    """How a value stands where more is better."""
    if floor is not None and value < floor:
        return "below the floor"
    if aim is not None and value < aim:
        return "aim not reached" if floor is None else "above the floor"
    return "reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One benchmark's result."""

    name: str
    what: str
    """One sentence: what was done."""
    units: Mapping[str, str]
    """Metric to unit, in the order of the table's columns."""
    arms: Mapping[str, Mapping[str, Spread]]
    targets: Sequence[Target] = ()
    limits: Sequence[Limit] = ()
    skipped: Sequence[str] = ()
    """Arms that were left out, with the reason."""
    settings: Mapping[str, object] = field(default_factory=dict)
    is_trial: bool = False
    """Tiny sizes or a busy machine: shows that it runs, says nothing about speed."""

    @property
    def ratios(self) -> list[Ratio]:
        """The targets whose arms were both measured."""
        measured = [self._ratio(target) for target in self.targets if target.against in self.arms]
        return [ratio for ratio in measured if ratio is not None]

    def _ratio(self, target: Target) -> Ratio | None:
        ours, theirs = self.arms[target.arm].get(target.metric), self.arms[target.against].get(target.metric)
        if ours is None or theirs is None:
            return None
        above, below = (theirs, ours) if target.is_lower_better else (ours, theirs)
        return Ratio(target=target, value=_paired(above, below)) if below.median else None

    def bounds(self) -> list[dict[str, Any]]:
        """The limits with what was measured for them."""
        values = [self.arms[limit.arm][limit.metric].median for limit in self.limits]
        return [
            {**asdict(limit), "unit": self.units[limit.metric], "value": value, "verdict": limit.verdict(value)}
            for limit, value in zip(self.limits, values, strict=True)
        ]

    def table(self) -> str:
        """Markdown: a row an arm, then a row a target."""
        head = ["", *(f"{metric}, {unit}" if unit else metric for metric, unit in self.units.items())]
        rows = [[name, *(str(found.get(metric, "")) for metric in self.units)] for name, found in self.arms.items()]
        parts = [f"### {self.name}", self.what, markdown_table(head, rows)]
        if self.is_trial:
            parts.insert(1, "*A trial: it shows that the benchmark runs; its numbers mean nothing.*")
        if self.ratios:
            parts.append(ratio_table(self.ratios))
        parts.extend(
            f"{found['path']}: {number(found['value'])} {found['unit']} "
            f"(limit {found['floor']:g}, aim {found['aim']:g}): {found['verdict']}"
            for found in self.bounds()
        )
        parts.extend(f"Left out: {reason}" for reason in self.skipped)
        return "\n\n".join(parts)

    def as_json(self) -> dict[str, Any]:
        """Everything measured, for `latest.json`."""
        return {
            "name": self.name,
            "what": self.what,
            "units": dict(self.units),
            "settings": dict(self.settings),
            "is_trial": self.is_trial,
            "arms": {name: {m: s.values for m, s in found.items()} for name, found in self.arms.items()},
            "ratios": [{**asdict(r.target), "ratio": r.value, "verdict": r.verdict} for r in self.ratios],
            "limits": self.bounds(),
            "skipped": list(self.skipped),
        }


def number(value: float) -> str:
    """Three significant digits, never in exponents."""
    magnitude = abs(value)
    digits = 0 if magnitude >= 100 else 1 if magnitude >= 10 else 2 if magnitude >= 1 else 3
    return f"{value:,.{digits}f}"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _paired(above: Spread, below: Spread) -> float:
    """The median of the rounds' own ratios: a machine that is slow for a while is slow for both."""
    if len(above.values) != len(below.values) or not all(below.values):
        return above.median / below.median
    return statistics.median(a / b for a, b in zip(above.values, below.values, strict=True))


def ratio_table(ratios: Sequence[Ratio]) -> str:
    """Ratios against their targets; more is better in every row."""
    rows = [
        [
            ratio.target.path,
            ratio.target.against,
            f"**{number(ratio.value)}x**",
            "" if ratio.target.floor is None else f"{number(ratio.target.floor)}x",
            "" if ratio.target.aim is None else f"{number(ratio.target.aim)}x",
            ratio.verdict,
        ]
        for ratio in ratios
    ]
    return markdown_table(["path", "against", "measured", "floor", "aim", ""], rows)


def save(report: Report, facts: Facts, folder: Path) -> None:
    """Put the report into `latest.json` and `latest.md`, keeping the other benchmarks' results."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "latest.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"benchmarks": {}}
    found["benchmarks"][report.name] = {"facts": facts, "markdown": report.table(), **report.as_json()}
    path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (folder / "latest.md").write_text(as_markdown(found), encoding="utf-8")


def as_markdown(found: Mapping[str, Any]) -> str:
    """All saved results as one page."""
    parts = ["# Benchmark results"]
    for saved in found["benchmarks"].values():
        facts = saved["facts"]
        parts += [saved["markdown"], f"{machine_line(facts)}, commit {facts['commit']}"]
    return "\n\n".join(parts) + "\n"


def machine_line(facts: Mapping[str, Any]) -> str:
    """The machine in a few words."""
    instructions = ", ".join(facts["instructions"]) or "no special instructions"
    return f"{facts['processor']}, {facts['cores']} cores ({instructions}), {facts['system']}"
