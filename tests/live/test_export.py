"""Exports of the starter: importance matrix, quantizer, verification, and a job that is killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from edgellm.adapter_header import read_adapter_header
from edgellm.engine.judge import Judge, compare
from edgellm.engine.llama import activations
from edgellm.engine.native import NativeChild
from edgellm.errors import DiskFull, EngineError, JobError
from edgellm.events import Finished, Started
from edgellm.export import imatrix
from edgellm.export.fuse import added, fuse
from edgellm.export.imatrix_file import read_means
from edgellm.export.quantize import QUANTS, Task, estimated_bytes, quantize
from edgellm.export.text import general
from edgellm.gguf_header import read_header
from edgellm.gguf_tensors import dequantized
from edgellm.paths import Home
from edgellm.sdk.facade import EdgeLLM
from tests.live.starter import starter_path
from tests.live.test_llama_adapter import write_adapter

pytestmark = pytest.mark.live
TEXT = general().content


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter at half precision."""
    path = tmp_path_factory.mktemp("full") / "full.gguf"
    fuse(read_header(Path(starter_path())), None, path)
    return path


@pytest.fixture(scope="module")
def pieces(full: Path) -> imatrix.Windows:
    with Judge(str(full), context_tokens=32) as judge:
        return imatrix.windows(judge.tokenize(TEXT)[:640])


@pytest.fixture(scope="module")
def matrix(full: Path, pieces: imatrix.Windows) -> Path:
    path = full.with_name("matrix.gguf")
    told: list[int] = []
    assert imatrix.measure(full, pieces.calibration, path, told.append) == 210
    assert told[-1] == sum(map(len, pieces.calibration))
    return path


def test_the_matrix_is_the_mean_square_of_what_enters_a_weight(
    full: Path, pieces: imatrix.Windows, matrix: Path
) -> None:
    header = read_header(full)
    tensors = {tensor.name: dequantized(header, tensor) for tensor in header.tensors[:12]}
    tokens = [token for piece in pieces.calibration for token in piece]
    inputs = tensors["token_embd.weight"][tokens].astype(np.float64)
    normed = inputs / np.sqrt((inputs**2).mean(axis=1, keepdims=True) + 1e-5) * tensors["blk.0.attn_norm.weight"]
    found = read_means(matrix)
    np.testing.assert_allclose(found["blk.0.attn_q.weight"], (normed**2).mean(axis=0), rtol=1e-3)
    assert set(found) == {tensor.name for tensor in header.tensors if "blk." in tensor.name and tensor.shape[1:]}


def test_experts_are_counted_by_their_own_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(1, 7, dtype=np.float32).reshape(1, 3, 1, 2)  # three tokens, two columns, broadcast to experts
    chosen = np.array([[0, 2], [2, 0], [2, 0]], np.int32)  # expert 1 gets nothing
    monkeypatch.setattr(activations, "_floats", lambda _: values)
    monkeypatch.setattr(activations, "_integers", lambda _: chosen)
    weight = SimpleNamespace(contents=SimpleNamespace(name=b"blk.0.ffn_up_exps.weight", ne=(2, 5, 3, 1)))
    seen = activations.Activations()
    seen._add(SimpleNamespace(src=[weight, None, None]), with_experts=True)
    sums, counts = seen.totals()["blk.0.ffn_up_exps.weight"]
    squares = (values[0, :, 0] ** 2).sum(axis=0)
    np.testing.assert_array_equal(sums, [squares, [0, 0], squares])
    np.testing.assert_array_equal(counts, [[3], [0], [3]])


def test_another_layout_of_tensors_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activations.ggml, "ggml_tensor_overhead", lambda: 400)
    with pytest.raises(EngineError, match="a tensor takes 400 bytes"):
        activations.Activations()


def test_the_matrix_brings_a_quantized_model_closer(
    full: Path, pieces: imatrix.Windows, matrix: Path, tmp_path: Path
) -> None:
    held_out = [piece[:96] for piece in pieces.held_out]
    found = {}
    for used in (None, matrix):
        target = tmp_path / f"{used is not None}.gguf"
        seen: list[tuple[int, int]] = []
        quantize(Task(full, target, QUANTS["Q4_0"], used), lambda *at, seen=seen: seen.append(at))
        assert seen[-1] == (272, 272)
        assert target.stat().st_size <= estimated_bytes(read_header(full), QUANTS["Q4_0"])
        with Judge(str(full), context_tokens=128) as one, Judge(str(target), context_tokens=128) as two:
            found[used is not None] = compare(one, two, held_out).kl_mean
    assert found[True] < 0.8 * found[False]


def test_a_fused_adapter_is_the_attached_one(tmp_path: Path) -> None:
    base = read_header(Path(starter_path()))
    path = write_adapter(tmp_path / "a.gguf")
    fuse(base, None, tmp_path / "base.gguf", "F32")
    fuse(base, added(read_adapter_header(Path(path))), tmp_path / "fused.gguf", "F32")
    with Judge(str(tmp_path / "base.gguf"), path, 64) as attached, Judge(str(tmp_path / "fused.gguf"), None, 64) as one:
        found = compare(attached, one, [one.tokenize(TEXT)[:48]])
    assert found.kl_max < 1e-4
    assert found.top1 == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_while_quantizing_is_told(full: Path) -> None:
    with NativeChild("edgellm.export.quantize_child") as child:
        child.send({"source": str(full), "target": "/dev/full", "ftype": 2, "threads": 1, "imatrix": None})
        with pytest.raises(DiskFull, match="could not be written"):
            list(iter(child.receive, {"done": True}))


def test_what_llama_cpp_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="requantizing from type"):
        quantize(Task(Path(starter_path()), tmp_path / "a.gguf", QUANTS["Q8_0"]))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def edge(tmp_path: Path) -> Any:
    (tmp_path / "own.txt").write_text(TEXT[:3000])
    with EdgeLLM(home=Home(tmp_path / "data", tmp_path / "cache", tmp_path / "config")) as edge:
        yield edge


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_job_makes_a_verified_folder(edge: EdgeLLM, tmp_path: Path) -> None:
    job = edge.exports.start("starter", "Q8_0", text=tmp_path / "own.txt")
    *events, last = edge.jobs.follow(job.id)
    assert isinstance(last, Finished), last
    assert last.result["passed"]
    assert [event.title for event in events if isinstance(event, Started)][-1] == "Check Q8_0"
    assert edge.exports.show("starter").files[0].verification.comparison.kl_mean < 0.02
    assert edge.models.get(last.result["path"] + "/starter-Q8_0.gguf").size_bytes < 150e6


def test_a_killed_job_leaves_no_process_and_nothing_half_named(edge: EdgeLLM, tmp_path: Path) -> None:
    job = edge.exports.start("starter", "Q8_0", text=tmp_path / "own.txt")
    until(lambda: any(edge.exports.folder.glob(".*.part/.full.gguf")))
    runner = psutil.Process(edge.jobs.get(job.id).pid)
    until(lambda: bool(runner.children()))
    children = runner.children()
    os.kill(runner.pid, signal.SIGKILL)
    psutil.wait_procs(children, timeout=10)
    assert not any(child.is_running() for child in children)
    assert [path.name for path in edge.exports.folder.iterdir() if not path.name.startswith(".")] == []
    assert edge.jobs.get(job.id).state == "failed"
    retried = edge.exports.start("starter", "Q8_0", text=tmp_path / "own.txt")
    left = f".starter.export-{runner.pid}.part"
    until(lambda: [left] != [path.name for path in edge.exports.folder.iterdir()] != [])
    assert not (edge.exports.folder / left).exists()
    assert edge.jobs.cancel(retried.id).state == "cancelled"
    assert list(edge.exports.folder.iterdir()) == []
