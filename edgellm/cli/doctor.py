"""`edgellm doctor`: is everything here that EdgeLLM needs, and does it work?"""

from __future__ import annotations

import click

from edgellm.cli.checks import Finding, State, run_checks
from edgellm.cli.diagnostics import Code
from edgellm.cli.style import Styled, bad, dim, good, warn
from edgellm.cli.units import count
from edgellm.cli.world import World, pass_world

MARKS = {State.PASS: good("ok  "), State.WARN: warn("warn"), State.FAIL: bad("FAIL")}
NAME_WIDTH = 14


@click.command("doctor")
@click.option("--json", "as_data", is_flag=True, help="Print the findings as JSON.")
@pass_world
def doctor(world: World, as_data: bool) -> int:
    """Check this installation and say what to repair.

    Tries a first decode in a process of its own, so that a crash is a finding. Ends with 1 when a check fails.
    """
    findings: list[Finding] = []
    world.err.status("looking at this machine")
    for finding in run_checks(world):
        findings.append(finding)
        world.err.clear_status()
        if not as_data:
            _show(world, finding)
            world.err.status("checking")
    world.err.clear_status()
    failed = [finding for finding in findings if finding.state is State.FAIL]
    if as_data:
        world.out.json({"ok": not failed, "checks": findings})
    else:
        _conclude(world, findings)
    return Code.ANSWER_IS_NO if failed else Code.DONE


def _show(world: World, finding: Finding) -> None:
    world.out.hanging((MARKS[finding.state], "  ", finding.name.ljust(NAME_WIDTH), "  "), finding.found)
    for repair in finding.repair:
        world.out.hanging((" " * (NAME_WIDTH + 8), dim("→ ")), repair)


def _conclude(world: World, findings: list[Finding]) -> None:
    failed = sum(finding.state is State.FAIL for finding in findings)
    warned = sum(finding.state is State.WARN for finding in findings)
    world.out.line()
    verdict: Styled = good("Everything works.")
    if failed:
        verdict = bad(f"{count(failed, 'check')} failed.")
    elif warned:
        verdict = warn(f"It works, with {count(warned, 'warning')}.")
    world.out.line(verdict)
