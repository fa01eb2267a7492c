"""Both forms of a run's report, in its folder."""

from __future__ import annotations

from pathlib import Path

from edgellm.evals.preference import NOBODY, People
from edgellm.evals.report.html import Answers, html_report
from edgellm.evals.report.markdown import markdown_report
from edgellm.evals.run import Run
from edgellm.paths import write_private


def write_reports(folder: Path, run: Run, answers: Answers, people: People = NOBODY) -> None:
    """Write `report.html` and `report.md`; `people`: what they preferred so far."""
    write_private(folder / "report.html", html_report(run, answers, people).encode())
    write_private(folder / "report.md", markdown_report(run, answers, people).encode())
