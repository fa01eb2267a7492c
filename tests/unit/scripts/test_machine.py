"""Reading facts about a machine."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from scripts.machine import compile_seconds, core_count, first_command, output_of, parse_cpuinfo, read_machine

X86 = "processor\t: 0\nflags\t\t: fpu sse4_2 avx2 amx_tile\n\nprocessor\t: 1\nflags\t\t: fpu\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd sve\n"


@pytest.mark.parametrize(
    ("text", "features"),
    [(X86, {"fpu", "sse4_2", "avx2", "amx_tile"}), (ARM, {"fp", "asimd", "sve"}), ("", set())],
)
def test_cpu_features(text: str, features: set[str]) -> None:
    assert parse_cpuinfo(text) == features


def test_commands_that_are_missing_or_fail_print_nothing() -> None:
    assert output_of(["edgellm-no-such-command"]) is None
    assert output_of(["false"]) is None
    assert output_of(["echo", "here"]) == "here\n"
    assert first_command("edgellm-no-such-command", "sh") == "sh"


def test_a_compiler_that_rejects_the_source_is_told_from_one_that_works() -> None:
    compiler = first_command("c++", "g++", "clang++")
    if compiler is None:
        pytest.skip("no C++ compiler on this machine")
    assert (compile_seconds(compiler, "int main() {}", ()) or 0) > 0
    assert compile_seconds(compiler, "int main( {", ()) is None
    assert compile_seconds(compiler, "int main() {}", ("--edgellm-no-such-flag",)) is None


def test_a_machine_without_a_compiler_says_so(tmp_path: Path) -> None:
    missing = str(tmp_path / "c++")
    machine = read_machine({"CC": missing, "CXX": missing})
    assert machine.compiler is None
    assert not machine.compiler_knows_amx
    assert machine.system == platform.system()
    assert core_count() >= 1
