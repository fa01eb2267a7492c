"""Build flags for llama.cpp, chosen from facts about the machine."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from scripts.machine import AMX_OFF, Machine

PORTABLE_FEATURES = {
    "GGML_SSE42": "sse4_2",
    "GGML_AVX": "avx",
    "GGML_AVX2": "avx2",
    "GGML_BMI2": "bmi2",
    "GGML_FMA": "fma",
    "GGML_F16C": "f16c",
}
"""What a portable build may use on x86, and the kernel's name for it."""


@dataclass(frozen=True, slots=True)
class BuildFlags:
    """How to build, and why."""

    cmake: tuple[str, ...]
    reasons: tuple[str, ...]
    """One short sentence a choice, for the person who waits."""

    @property
    def cmake_args(self) -> str:
        """The flags as the `CMAKE_ARGS` variable wants them."""
        return shlex.join(self.cmake)


def choose_flags(machine: Machine, *, portable: bool = False, override: str | None = None) -> BuildFlags:
    """The flags for this machine.

    `portable` gives up the newest instructions for a build that runs where a native one crashes;
    `override` (the user's `EDGELLM_CMAKE_ARGS`) replaces every choice made here.
    """
    if override is not None:
        return BuildFlags(tuple(shlex.split(override)), ("Flags taken from EDGELLM_CMAKE_ARGS.",))
    cpu = _portable_cpu(machine) if portable else _native_cpu(machine)
    gpu = _gpu(machine)
    return BuildFlags(("-DLLAVA_BUILD=OFF", *cpu.cmake, *gpu.cmake), (*cpu.reasons, *gpu.reasons))


def _native_cpu(machine: Machine) -> BuildFlags:
    flags, reasons = ["-DGGML_NATIVE=ON"], ["Uses every instruction this processor grants."]
    if machine.is_x86 and machine.compiler_knows_amx:
        amx_off = " ".join(AMX_OFF)
        flags += [f"-DCMAKE_C_FLAGS={amx_off}", f"-DCMAKE_CXX_FLAGS={amx_off}"]
        reasons.append("AMX is off: many virtual machines advertise it without granting it.")
    return BuildFlags(tuple(flags), tuple(reasons))


def _portable_cpu(machine: Machine) -> BuildFlags:
    flags = ["-DGGML_NATIVE=OFF"]
    if machine.is_x86:
        switches = {name: "ON" if feature in machine.features else "OFF" for name, feature in PORTABLE_FEATURES.items()}
        flags += [f"-D{name}={value}" for name, value in switches.items()]
    return BuildFlags(tuple(flags), ("Portable: leaves out the newest instructions.",))


def _gpu(machine: Machine) -> BuildFlags:
    if machine.is_apple_silicon:
        return BuildFlags(("-DGGML_METAL=ON",), ("Metal is on.",))
    if machine.cuda_toolkit and machine.cuda_gpu:
        return BuildFlags(("-DGGML_CUDA=ON",), (f"CUDA is on for {machine.cuda_gpu}.",))
    if machine.cuda_toolkit:
        return BuildFlags((), ("The CUDA toolkit is here but no GPU answers nvidia-smi: building for the CPU.",))
    if machine.cuda_gpu:
        return BuildFlags((), ("A GPU is here but the CUDA toolkit (nvcc) is not: building for the CPU.",))
    return BuildFlags((), ())
