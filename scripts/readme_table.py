"""README's benchmark table, from the results kept in benchmarks/results."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from scripts.marked import read_part, replace_part
from scripts.project import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "latest.json"
EMPTY = "No results are kept yet: `make bench` measures and fills this table."


def render(found: Mapping[str, Any]) -> str:
    """All ratios against their targets, and what they were measured on."""
    saved = list(found["benchmarks"].values())
    rows = [_row(ratio) for one in saved for ratio in one["ratios"]]
    rows += [_limit(limit) for one in saved for limit in one["limits"]]
    if not rows:
        return EMPTY
    head = ["| path | against | measured | floor | aim | |", "| --- | --- | --- | --- | --- | --- |"]
    machines = sorted({_machine(one["facts"]) for one in saved if one["ratios"] or one["limits"]})
    return "\n".join([*head, *rows, "", f"Ratios: more is better. Measured on: {'; '.join(machines)}."])


def _row(ratio: Mapping[str, Any]) -> str:
    cells = [ratio["path"], ratio["against"], f"**{ratio['ratio']:.2f}x**", *map(_goal, (ratio["floor"], ratio["aim"]))]
    return f"| {' | '.join([*cells, ratio['verdict']])} |"


def _limit(limit: Mapping[str, Any]) -> str:
    unit = limit["unit"]
    cells = [
        limit["path"],
        "",
        f"**{limit['value']:.3g} {unit}**",
        f"{limit['floor']:g} {unit}",
        f"{limit['aim']:g} {unit}",
    ]
    return f"| {' | '.join([*cells, limit['verdict']])} |"


def _goal(value: float | None) -> str:
    return "" if value is None else f"{value:g}x"


def _machine(facts: Mapping[str, Any]) -> str:
    return f"{facts['processor']}, {facts['cores']} cores, {facts['system'].split()[0]}"


def current() -> str:
    """The table for the results that are kept now."""
    return render(json.loads(RESULTS.read_text(encoding="utf-8"))) if RESULTS.exists() else EMPTY


def main(arguments: list[str] | None = None) -> int:
    """Compare README's table with the kept results, or write it. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table into README.md")
    options = parser.parse_args(arguments)
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    if options.write:
        readme.write_text(replace_part(text, "benchmarks", current()), encoding="utf-8")
        return 0
    if read_part(text, "benchmarks") == current():
        return 0
    print("README's table is not the kept results': run `python -m scripts.readme_table --write`.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
