"""How every benchmark runs: arms in turn, in another order each round, an idle machine, medians, one command line."""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import facts
from benchmarks.arms.base import Arm, ArmConfig, ArmFailed
from benchmarks.arms.locked import LockedLlama
from benchmarks.arms.servers import LlamaServer, PackagedServer
from benchmarks.arms.worker import WorkerArm
from benchmarks.clients import WrongWork
from benchmarks.idle import MachineBusy, wait_until_idle
from benchmarks.report import Report, Spread, save
from benchmarks.texts import Texts, starter_path
from scripts.machine import core_count

RESULTS = Path(__file__).resolve().parent / "results"
Trial = Callable[[Arm, int], Mapping[str, float]]
"""Measures one arm in one round: metric to value."""
Case = Callable[[int], Mapping[str, float]]
"""Measures one thing in the round of that number: metric to value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asked for."""

    model: Path
    rounds: int
    is_trial: bool
    """Tiny sizes, one round, any machine: does it run?"""
    allow_busy: bool
    llama_server: Path | None
    keep: bool
    """Write the result into `benchmarks/results`."""
    as_json: bool

    @property
    def is_meaningless(self) -> bool:
        """Whether the numbers must not be quoted."""
        return self.is_trial or self.allow_busy

    def arm_config(self, *, context_tokens: int, parallel: int) -> ArmConfig:
        """A set-up shared by all arms of one benchmark."""
        return ArmConfig(model=self.model, context_tokens=context_tokens, parallel=parallel, threads=core_count())


def parse_options(arguments: Sequence[str] | None, what: str) -> Options:
    """Read the command line that all benchmarks share."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--rounds", type=int, default=5, help="how often each arm is measured")
    parser.add_argument("--trial", action="store_true", help="tiny sizes, one round: only shows that it runs")
    parser.add_argument("--allow-busy", action="store_true", help="measure on a busy machine; results say so")
    parser.add_argument("--llama-server", type=Path, default=os.environ.get("LLAMA_SERVER"), metavar="PATH")
    parser.add_argument("--model", type=Path, help="another GGUF file than the starter")
    parser.add_argument("--no-save", action="store_true", help="leave benchmarks/results alone")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    found = parser.parse_args(arguments)
    return Options(
        model=found.model or starter_path(),
        rounds=1 if found.trial else found.rounds,
        is_trial=found.trial,
        allow_busy=found.allow_busy,
        llama_server=Path(found.llama_server) if found.llama_server else None,
        keep=not (found.no_save or found.trial or found.allow_busy),
        as_json=found.json,
    )


def choose_arms(options: Options, config: ArmConfig) -> tuple[list[Arm], list[str]]:
    """EdgeLLM and every rival that is here; then the ones that are not, with the reason."""
    arms: list[Arm] = [WorkerArm(config), LockedLlama(config)]
    skipped = []
    if missing := PackagedServer.missing():
        skipped.append(f"llama_cpp.server: {', '.join(missing)} not installed (`make setup EXTRAS=bench`).")
    else:
        arms.append(PackagedServer(config))
    if options.llama_server is None:
        skipped.append("llama-server: no path given (--llama-server PATH or LLAMA_SERVER; see docs/benchmarks.md).")
    else:
        arms.append(LlamaServer(config, options.llama_server))
    return arms, skipped


def measure(
    arms: Sequence[Arm], trial: Trial, options: Options, others: Mapping[str, Case] | None = None
) -> dict[str, dict[str, Spread]]:
    """Measure every arm once a round, on an idle machine; the first round warms up and is not counted.

    `others`: what takes turns with the arms and is no arm. Raises: MachineBusy, ArmFailed, WrongWork.
    """
    with ExitStack() as running:
        for arm in arms:
            running.callback(arm.stop)
            arm.start()
        return take_turns({arm.name: partial(trial, arm) for arm in arms} | dict(others or {}), options)


def take_turns(cases: Mapping[str, Case], options: Options) -> dict[str, dict[str, Spread]]:
    """Call every case once a round with the round's number, as `measure` does with arms. Raises: MachineBusy.

    The order changes from round to round, so that none always follows the one that leaves the machine busiest.
    """
    values: dict[str, dict[str, list[float]]] = {name: {} for name in cases}
    warm_up = 0 if options.is_trial else 1
    for number in range(options.rounds + warm_up):
        for name in random.Random(number).sample(list(cases), len(cases)):
            _wait(options)
            found = cases[name](number)
            for metric, value in found.items() if number >= warm_up else ():
                values[name].setdefault(metric, []).append(value)
            _talk(f"round {number}: {name} {dict(found)}")
    return {name: {m: Spread(tuple(v)) for m, v in metrics.items()} for name, metrics in values.items()}


def _wait(options: Options) -> None:
    if not options.is_meaningless:
        wait_until_idle()


def _talk(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(run: Callable[[Options, Texts], Report], arguments: Sequence[str] | None = None) -> int:
    """Run one benchmark that needs texts of known length; prints its table. Returns the exit code."""

    def with_texts(options: Options) -> Report:
        texts = Texts(options.model)
        try:
            return run(options, texts)
        finally:
            texts.close()

    return main_without_texts(with_texts, arguments, run.__doc__ or "")


def main_without_texts(
    run: Callable[[Options], Report], arguments: Sequence[str] | None = None, what: str | None = None
) -> int:
    """Run one benchmark from the command line; prints its table. Returns the exit code."""
    options = parse_options(arguments, what or run.__doc__ or "")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or every child would compile again what an installation has ready
    try:
        publish(run(options), options)
    except (MachineBusy, ArmFailed, WrongWork) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def publish(report: Report, options: Options) -> None:
    """Print a result, and keep it when it means something."""
    print(json.dumps(report.as_json(), indent=1) if options.as_json else report.table(), flush=True)
    if options.keep:
        save(report, facts.gather(), RESULTS)
