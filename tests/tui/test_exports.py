"""Exports from the models page: the form, the job, and what was measured."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.conftest import edge_of, opened, settle, shows
from tests.tui.fakes import FakeEdge
from tests.tui.fakes.exports import TASK, compared, exported, measured


async def to_form(pilot: Pilot[None]) -> None:
    await pilot.press("f4")
    await shows(pilot, "Models", "SmolLM2")
    await pilot.press("f10")
    await shows(pilot, "Export", "As", "Quantized", "GGUF files for llama.cpp")


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_enter_makes_the_usual_files_in_a_job(size: tuple[int, int]) -> None:
    async with opened(size=size) as pilot:
        await to_form(pilot)
        await pilot.press("enter")
        await settle(pilot, lambda: bool(edge_of(pilot).exports.asked))
        assert edge_of(pilot).exports.asked[0] | {"model": ""} == {
            "model": "", "quants": "Q8_0,Q4_K_M", "to": "gguf", "out": None,
        }  # fmt: skip
        await shows(pilot, "Export ")


@pytest.mark.parametrize(
    ("keys", "asked"),
    [
        (["down", *"Q4_0", "down", *"out", "enter"], {"quants": "Q4_0", "to": "gguf", "out": "out"}),
        (["right", "enter"], {"quants": "usual", "suite": None}),
        (["right", "down", "down", *"towns", "enter"], {"quants": "usual", "suite": "towns"}),
        (["right", "right", "enter"], {"quants": None, "to": "hf", "out": None}),
        (["left", "left", "enter"], {"quants": None, "to": "mlx", "out": None}),
    ],
    ids=[
        "quantizations and a folder",
        "a comparison",
        "a comparison with a suite",
        "a folder for Hugging Face",
        "a folder for MLX",
    ],
)
async def test_what_is_chosen_is_made(keys: list[str], asked: dict[str, Any]) -> None:
    async with opened() as pilot:
        await to_form(pilot)
        await pilot.press(*keys)
        await settle(pilot, lambda: bool(edge_of(pilot).exports.asked))
        found = edge_of(pilot).exports.asked[0]
        assert {name: value for name, value in found.items() if name != "model"} == asked


async def test_an_adapter_alone_needs_an_adapter() -> None:
    async with opened() as pilot:
        await to_form(pilot)
        await pilot.press("left", "enter")
        await shows(pilot, "no adapter to be exported alone")
        assert not edge_of(pilot).exports.asked


async def test_what_cannot_be_made_is_told() -> None:
    async with opened() as pilot:
        await to_form(pilot)
        await pilot.press("down", *"Q99", "enter")
        await shows(pilot, "no quantization 'Q99'")


async def test_measurements_can_be_read_again() -> None:
    edge = FakeEdge()
    one = await edge.exports.start("starter", "Q8_0,Q4_0")
    two = await edge.exports.compare("starter")
    edge.jobs.say(one.id, exported(measured("Q8_0", 0.001), measured("Q4_0", 0.41, passed=False)))
    edge.jobs.say(two.id, compared(measured("Q8_0", 0.001), measured("Q4_K_M", 0.03)))
    async with opened(edge=edge, size=(100, 30)) as pilot:
        await pilot.press("f4", "f12")
        await shows(pilot, "Exports and comparisons", "failed", "use Q4_K_M")
        await pilot.press("enter")
        await shows(pilot, "Q8_0", "143 MB", "0.0010", "██████████████", "0.41, where 0.1 are", "/exports/starter")
        await pilot.press("escape")
        await pilot.press("f12", "down", "enter")
        await shows(pilot, "use Q4_K_M: 93 tokens a second")


async def test_a_suites_scores_are_shown_beside_the_measures() -> None:
    edge = FakeEdge()
    job = await edge.exports.compare("starter")
    files = [measured("Q8_0", 0.001), measured("Q4_0", 0.03), measured("F16", 0.0)]
    edge.jobs.say(job.id, compared(*files, task=TASK))
    async with opened(edge=edge, size=(80, 24)) as pilot:
        await pilot.press("f4", "f12")
        await shows(pilot, "Exports and comparisons", "use Q4_K_M")
        await pilot.press("enter")
        await shows(pilot, "score", "90.0%", "55.0%", "towns, 40 questions", "90.0% (76.9 to 96.1)", "best")
        await shows(
            pilot, "-35.0 (-50.0 to -18.0)", "clearly worse", "not asked: 'm-F16' is too large for this machine."
        )


async def test_without_exports_it_says_so() -> None:
    async with opened() as pilot:
        await pilot.press("f4", "f12")
        await shows(pilot, "Nothing was exported yet")
