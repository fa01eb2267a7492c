"""Which flags llama.cpp is built with, for which machine."""

from __future__ import annotations

import shlex
from dataclasses import replace

from scripts.flags import choose_flags
from scripts.machine import Machine

LINUX = Machine(
    system="Linux",
    architecture="x86_64",
    libc="glibc 2.36",
    cores=2,
    features=frozenset({"sse4_2", "avx", "avx2", "bmi2", "fma", "f16c", "avx512f", "amx_tile"}),
    compiler="c++ (Debian 12.2.0) 12.2.0",
    compile_probe_s=1.0,
    compiler_knows_amx=True,
    cuda_toolkit=None,
    cuda_gpu=None,
)
MAC = replace(LINUX, system="Darwin", architecture="arm64", features=frozenset({"Apple M4"}), compiler_knows_amx=False)


def test_x86_is_native_with_amx_off() -> None:
    flags = choose_flags(LINUX)
    assert "-DGGML_NATIVE=ON" in flags.cmake
    assert "-DCMAKE_C_FLAGS=-mno-amx-tile -mno-amx-int8 -mno-amx-bf16" in flags.cmake
    assert "-DCMAKE_CXX_FLAGS=-mno-amx-tile -mno-amx-int8 -mno-amx-bf16" in flags.cmake
    assert any("AMX" in reason for reason in flags.reasons)


def test_a_compiler_without_amx_is_not_given_its_flags() -> None:
    assert not any("amx" in flag for flag in choose_flags(replace(LINUX, compiler_knows_amx=False)).cmake)


def test_apple_silicon_has_metal() -> None:
    flags = choose_flags(MAC)
    assert "-DGGML_METAL=ON" in flags.cmake
    assert not any("amx" in flag or "CUDA" in flag for flag in flags.cmake)


def test_linux_on_arm_is_native_without_metal() -> None:
    flags = choose_flags(replace(LINUX, architecture="aarch64", compiler_knows_amx=False))
    assert flags.cmake == ("-DLLAVA_BUILD=OFF", "-DGGML_NATIVE=ON")


def test_cuda_needs_toolkit_and_gpu() -> None:
    toolkit, gpu = "Build cuda_13.0", "GPU 0: NVIDIA H100"
    assert "-DGGML_CUDA=ON" in choose_flags(replace(LINUX, cuda_toolkit=toolkit, cuda_gpu=gpu)).cmake
    for half in (replace(LINUX, cuda_toolkit=toolkit), replace(LINUX, cuda_gpu=gpu)):
        flags = choose_flags(half)
        assert "-DGGML_CUDA=ON" not in flags.cmake
        assert any("building for the CPU" in reason for reason in flags.reasons)


def test_portable_uses_only_what_the_processor_has() -> None:
    flags = choose_flags(replace(LINUX, features=frozenset({"sse4_2", "avx"})), portable=True).cmake
    assert "-DGGML_NATIVE=OFF" in flags
    assert {"-DGGML_AVX=ON", "-DGGML_AVX2=OFF", "-DGGML_FMA=OFF"} <= set(flags)


def test_the_user_has_the_last_word() -> None:
    flags = choose_flags(LINUX, portable=True, override="-DGGML_NATIVE=OFF '-DCMAKE_C_FLAGS=-O2 -g'")
    assert flags.cmake == ("-DGGML_NATIVE=OFF", "-DCMAKE_C_FLAGS=-O2 -g")


def test_cmake_args_survive_the_shell_syntax_of_the_build_backend() -> None:
    flags = choose_flags(LINUX)
    assert tuple(shlex.split(flags.cmake_args)) == flags.cmake
