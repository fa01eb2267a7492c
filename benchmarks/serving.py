"""Serving: 1, 8 and 32 clients over HTTP, against the same requests in one process and against other servers."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping

from benchmarks import clients, harness
from benchmarks.arms.base import Arm, ArmConfig, Ask, Served
from benchmarks.arms.serve import EdgeServe, InProcess
from benchmarks.arms.servers import LlamaServer, PackagedServer
from benchmarks.report import Report, Target
from benchmarks.texts import Texts

PROMPT_TOKENS = 32
LOADS = {1: 128, 8: 128, 32: 48}
"""Clients at once, and how many tokens each is answered with."""
TRIAL_LOADS = {1: 8, 8: 8, 32: 4}
MOST_CLIENTS = max(LOADS)
LARGEST_SHARE = 0.97
"""What must be left of the speed in one process: HTTP may cost three hundredths."""


def _over_http(metric: str, words: str) -> Target:
    against = InProcess.name
    return Target(
        path=f"over HTTP, {words}", arm=EdgeServe.name, metric=metric, against=against, floor=LARGEST_SHARE, aim=0.99
    )


def _over_rival(clients_at_once: int, against: str, floor: float, aim: float) -> Target:
    metric = f"throughput, {clients_at_once}"
    path = f"serving {clients_at_once} clients"
    return Target(path=path, arm=EdgeServe.name, metric=metric, against=against, floor=floor, aim=aim)


TARGETS = (
    _over_http("decode, 1", "one stream, decode"),
    _over_http("decode, 8", "eight streams, decode"),
    _over_http("throughput, 32", "32 clients, throughput"),
    *(_over_rival(number, LlamaServer.name, 0.97, 1.0) for number in (8, 32)),
    *(_over_rival(number, PackagedServer.name, 1.5, 2.0) for number in (8, 32)),
)


def run(options: harness.Options, texts: Texts) -> Report:
    """1, 8 and 32 clients at once, each with its own 32-token prompt, streamed."""
    loads = TRIAL_LOADS if options.is_trial else LOADS
    config = options.arm_config(context_tokens=8192, parallel=8)
    arms, skipped = _arms(options, config)

    def trial(arm: Arm, number: int) -> Mapping[str, float]:
        found: dict[str, float] = {}
        salt = number * sum(loads)
        for at_once, tokens in loads.items():
            salts = range(salt, salt + at_once)
            salt += at_once
            asks = [Ask(prompt=texts.prompt(PROMPT_TOKENS, each), max_tokens=tokens) for each in salts]
            found.update(_figures(clients.serve_all(arm, asks), at_once))
        return found

    return Report(
        name="Serving",
        what=f"1, 8 and 32 clients at once, prompts of {PROMPT_TOKENS} tokens, answers of {_tokens(loads)} tokens, "
        "streamed. `decode` counts while all are decoding, `throughput` over the whole time; the first token is the "
        "median client's, the gap the longest wait of any client between two pieces.",
        units=_units(loads),
        arms=harness.measure(arms, trial, options),
        targets=TARGETS,
        skipped=skipped,
        settings={"loads": {str(number): tokens for number, tokens in loads.items()}, "prompt_tokens": PROMPT_TOKENS},
        is_trial=options.is_meaningless,
    )


def _figures(served: list[Served], at_once: int) -> dict[str, float]:
    """What one load showed; the joint speed only where all streams decode at the same time."""
    joint = clients.joint_decode_rate(served)
    gap_s = clients.longest_gap_s(served, since=min(done.first_at for done in served))
    return {
        **({f"decode, {at_once}": joint} if joint else {}),
        f"throughput, {at_once}": clients.throughput(served),
        f"first token, {at_once}": statistics.median(done.first_at - done.asked_at for done in served) * 1000,
        f"gap, {at_once}": gap_s * 1000,
    }


def _units(loads: Mapping[int, int]) -> dict[str, str]:
    units = {"decode": "tokens/s", "throughput": "tokens/s", "first token": "ms", "gap": "ms"}
    return {f"{metric}, {number}": unit for number in loads for metric, unit in units.items()}


def _tokens(loads: Mapping[int, int]) -> str:
    return ", ".join(str(tokens) for tokens in loads.values())


def _arms(options: harness.Options, config: ArmConfig) -> tuple[list[Arm], list[str]]:
    arms, skipped = harness.choose_arms(options, config)
    servers = [arm for arm in arms if isinstance(arm, LlamaServer | PackagedServer)]
    return [EdgeServe(config), InProcess(config), *servers], skipped


if __name__ == "__main__":
    sys.exit(harness.main(run))
