"""Arms in turn, the idle guard, the servers' event streams."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import harness, idle
from benchmarks.__main__ import NAMES
from benchmarks.arms.base import Arm, ArmFailed, Ask, OnPiece, Served
from benchmarks.arms.servers import parse_events
from benchmarks.idle import Load, MachineBusy
from benchmarks.report import Report


class Named:
    """An arm that only remembers whether it runs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_running = False

    def start(self) -> None:
        self.is_running = True

    def stop(self) -> None:
        self.is_running = False

    def serve(self, ask: Ask, on_piece: OnPiece | None = None) -> Served:
        raise RuntimeError(f"{ask} and {on_piece} are not served here")


def options(*arguments: str) -> harness.Options:
    return harness.parse_options(["--model", "model.gguf", *arguments], "test")


def test_arms_take_turns_and_the_first_round_only_warms_up() -> None:
    order: list[str] = []

    def trial(arm: Arm, number: int) -> dict[str, float]:
        order.append(arm.name)
        return {"value": float(number)}

    arms = [Named("a"), Named("b")]
    found = harness.measure(arms, trial, options("--rounds", "2", "--allow-busy"))
    assert [sorted(order[at : at + 2]) for at in (0, 2, 4)] == [["a", "b"]] * 3
    assert order != ["a", "b"] * 3, "the order changes from round to round"
    assert found["a"]["value"].values == (1.0, 2.0)
    assert not any(arm.is_running for arm in arms)


def test_children_find_their_byte_code_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    def run(_options: harness.Options) -> Report:
        assert "PYTHONDONTWRITEBYTECODE" not in os.environ
        return Report(name="test", what="", units={}, arms={})

    assert harness.main_without_texts(run, ["--model", "model.gguf", "--trial"], "test") == 0


def test_arms_are_stopped_when_one_fails() -> None:
    def trial(arm: Arm, number: int) -> dict[str, float]:
        raise ArmFailed(f"{arm.name} {number}")

    arms = [Named("a"), Named("b")]
    with pytest.raises(ArmFailed):
        harness.measure(arms, trial, options("--trial"))
    assert not any(arm.is_running for arm in arms)


def test_a_busy_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "look", lambda: Load(other_share=0.6, granted_share=0.4, average_1_min=3.0))
    with pytest.raises(MachineBusy, match="others use 60%"):
        idle.wait_until_idle(patience_s=0)


@pytest.mark.parametrize(("other", "granted", "is_idle"), [(0.0, 1.0, True), (0.5, 1.0, False), (0.0, 0.5, False)])
def test_what_idle_means(other: float, granted: float, is_idle: bool) -> None:
    assert Load(other, granted, 0.0).is_idle is is_idle


def test_a_spinning_process_measures_its_share() -> None:
    assert 0 < idle.spin(0.05) <= 1.05


def test_trials_and_busy_runs_are_never_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "save", lambda *_: pytest.fail("must not be kept"))
    report = Report(name="n", what="w", units={}, arms={"edgellm": {}})
    for flag in ("--trial", "--allow-busy", "--no-save"):
        harness.publish(report, options(flag))


def test_the_server_path_comes_from_flag_or_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLAMA_SERVER", raising=False)
    assert options().llama_server is None
    monkeypatch.setenv("LLAMA_SERVER", "/opt/llama-server")
    assert options().llama_server == Path("/opt/llama-server")
    assert options("--llama-server", "/else").llama_server == Path("/else")


def test_server_sent_events() -> None:
    lines = [b": ping\n", b'data: {"content": "a"}\n', b"\n", b"data: [DONE]\n", b'data: {"content": "late"}\n']
    assert list(parse_events(iter(lines))) == [{"content": "a"}]


def test_an_error_event_is_an_error() -> None:
    with pytest.raises(ArmFailed, match="no slot"):
        list(parse_events(iter([b'error: {"message": "no slot"}\n'])))


def test_make_bench_runs_every_benchmark() -> None:
    folder = Path(harness.__file__).parent
    texts = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
    runnable = {name for name, text in texts.items() if "sys.exit(" in text and "harness.main" in text}
    assert runnable == set(NAMES)
