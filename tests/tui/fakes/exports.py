"""Exports among the jobs, and a manifest as their result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgellm.errors import InvalidInput
from edgellm.events import Finished
from edgellm.store.records import StoredJob
from tests.tui.fakes.jobs import FakeJobs


def measured(quantization: str, kl: float, *, passed: bool = True) -> dict[str, Any]:
    """A file of a manifest."""
    return {
        "quantization": quantization,
        "size_bytes": 143_000_000,
        "verification": {
            "passed": passed,
            "problems": [] if passed else ["the KL divergence is 0.41, where 0.1 are allowed"],
            "comparison": {"kl_mean": kl, "top1": 0.951, "ppl_candidate": 17.31},
            "tokens_per_s": 93.0,
        },
    }


class FakeExports:
    """Takes what the SDK takes."""

    def __init__(self, jobs: FakeJobs) -> None:
        self._jobs = jobs
        self.asked: list[dict[str, Any]] = []

    async def start(
        self, model: str, quants: str | None = None, *, to: str = "gguf", out: str | Path | None = None
    ) -> StoredJob:
        if quants and "Q99" in quants:
            raise InvalidInput("There is no quantization 'Q99'.", hint="Choose one of Q8_0, Q4_K_M.", field="quants")
        self.asked.append({"model": model, "quants": quants, "to": to, "out": out})
        return await self._jobs.start("export", f"Export {model} as {quants or to}", {})

    async def compare(self, model: str, quants: str = "usual", *, suite: str | Path | None = None) -> StoredJob:
        self.asked.append({"model": model, "quants": quants, "suite": suite})
        return await self._jobs.start("quants", f"Compare quantizations of {model}", {})


def exported(*files: dict[str, Any]) -> Finished:
    """The end of an export."""
    passed = all(file["verification"]["passed"] for file in files)
    return Finished(result={"path": "/exports/starter", "passed": passed, "files": list(files)})


def compared(*files: dict[str, Any], task: dict[str, Any] | None = None) -> Finished:
    """The end of a comparison."""
    said = {"recommended": "Q4_K_M", "reason": "93 tokens a second at a KL of 0.0300"}
    return Finished(result={**said, "task": task, "files": list(files)})


TASK: dict[str, Any] = {
    "suite": "towns",
    "version": "1",
    "sha256": "ab" * 32,
    "cases": 40,
    "scores": [
        {
            "quantization": "Q8_0",
            "score": {"mean": 0.9, "low": 0.769, "high": 0.961},
            "against_best": None,
            "verdict": "best",
            "reason": "",
        },
        {
            "quantization": "Q4_0",
            "score": {"mean": 0.55, "low": 0.398, "high": 0.693},
            "against_best": {"difference": -0.35, "low": -0.5, "high": -0.18, "p": 0.0001},
            "verdict": "clearly worse",
            "reason": "",
        },
        {
            "quantization": "F16",
            "score": None,
            "against_best": None,
            "verdict": "not asked",
            "reason": "'m-F16' is too large for this machine.",
        },
    ],
}
"""What a suite said of three quantizations."""
