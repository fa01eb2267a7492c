"""The hardware probe: plausible here, and right about recorded outputs of other machines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgellm.hub import hardware
from edgellm.hub.hardware import Gpu, measured_bandwidth, parse_nvidia_smi, probe


def test_the_probe_is_plausible_here(tmp_path: Path) -> None:
    found = probe(disk=tmp_path / "not" / "yet" / "there")
    assert found.chip
    assert 1 <= found.usable_cores <= found.physical_cores <= found.logical_cores
    assert 0 < found.available_memory_bytes <= found.total_memory_bytes
    assert found.disk_free_bytes > 0
    assert found.bandwidth_bytes_per_s is None
    assert found.available_bytes == found.available_memory_bytes


def test_the_bandwidth_is_measured_without_numpy_in_this_process() -> None:
    code = (
        "import sys; from edgellm.hub.hardware import measured_bandwidth;"
        "print(measured_bandwidth(1) > 1e8, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True", "False"]


def test_the_measuring_child_imports_nothing_from_the_current_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "numpy.py").write_text("import pathlib; pathlib.Path('imported').touch()")
    monkeypatch.chdir(tmp_path)
    assert measured_bandwidth(1) is not None
    assert not (tmp_path / "imported").exists()


def test_a_failed_measurement_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert measured_bandwidth(1) is None


def test_graphics_memory_as_nvidia_smi_prints_it() -> None:
    text = "81559, 81022, NVIDIA H100 80GB HBM3\n24564, 20000, NVIDIA GeForce RTX 4090\n[N/A], [N/A], NVIDIA GB10\n\n"
    assert parse_nvidia_smi(text) == (
        Gpu(name="NVIDIA H100 80GB HBM3", total_memory_bytes=81_559 << 20, available_memory_bytes=81_022 << 20),
        Gpu(name="NVIDIA GeForce RTX 4090", total_memory_bytes=24_564 << 20, available_memory_bytes=20_000 << 20),
    )


@pytest.mark.parametrize(
    ("built", "has_gpu", "compute"),
    [
        ("libggml-cuda.so", True, "cuda"),
        ("libggml-cuda.so", False, "cpu"),
        ("libggml-cpu.so", True, "cpu"),
    ],
)
def test_cuda_counts_where_llama_has_it_and_a_gpu_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, built: str, has_gpu: bool, compute: str
) -> None:
    (tmp_path / built).touch()
    gpu = Gpu(name="test", total_memory_bytes=2**30, available_memory_bytes=2**29)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(hardware, "_llama_libraries", lambda: tmp_path)
    monkeypatch.setattr(hardware, "_nvidia_gpus", lambda: (gpu,) if has_gpu else ())
    found = probe()
    assert found.compute == compute
    assert (found.available_bytes == 2**29) is (compute == "cuda")


def test_llamas_libraries_are_found_without_loading_them() -> None:
    code = (
        "import sys; from edgellm.hub.hardware import _llama_libraries;"
        "print(any(_llama_libraries().glob('*ggml*')), 'llama_cpp' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True", "False"]


def files(monkeypatch: pytest.MonkeyPatch, contents: dict[str, str]) -> None:
    monkeypatch.setattr(hardware, "_read", lambda path: contents.get(path, ""))


def test_a_container_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    group = "/sys/fs/cgroup"
    files(
        monkeypatch,
        {
            f"{group}/memory.max": "1073741824\n",
            f"{group}/memory.current": "400000000\n",
            f"{group}/memory.stat": "anon 1\ninactive_file 100000000\n",
            f"{group}/cpu.max": "150000 100000\n",
        },
    )
    found = probe()
    assert found.total_memory_bytes == 1 << 30
    assert found.available_memory_bytes <= (1 << 30) - 300_000_000
    assert found.usable_cores == 1


@pytest.mark.parametrize("limit", ["max\n", "", "9223372036854771712\n"])
def test_no_container_limit(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    files(monkeypatch, {"/sys/fs/cgroup/memory.max": limit, "/sys/fs/cgroup/memory.current": "1\n"})
    assert hardware._container_memory() == (0, 0)


def test_features_and_chip_of_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    files(monkeypatch, {"/proc/cpuinfo": "model name\t: Test CPU @ 3 GHz\nflags\t\t: fpu avx2 fma avx512f nonsense\n"})
    monkeypatch.setattr(sys, "platform", "linux")
    found = probe()
    assert found.chip == "Test CPU @ 3 GHz"
    assert found.cpu_features == ("avx2", "avx512f", "fma")
