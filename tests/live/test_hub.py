"""The hub with real llama.cpp behind it: inspection of damaged starters, predicted against measured memory."""

from __future__ import annotations

import os
import random
import shutil
import struct
from pathlib import Path

import pytest

from benchmarks.fit_accuracy import compare
from edgellm.errors import ModelRejected
from edgellm.gguf_header import read_header
from edgellm.hub.hardware import probe
from edgellm.hub.inspect import check_header, inspect
from edgellm.hub.installed import Library, starter
from edgellm.paths import home_from

pytestmark = pytest.mark.live

FULL_MUTATIONS = 25
"""Mutations that go through the whole inspection; each starts a child."""
HEADER_MUTATIONS = 2_000


@pytest.fixture(scope="module")
def original() -> Path:
    model = starter()
    if model is None:
        pytest.skip("the starter model is not installed")
    return model.path


def damage(path: Path, start: int, end: int, seed: int) -> list[tuple[int, bytes]]:
    """Overwrite one to four places between two offsets; returns what stood there."""
    chance = random.Random(seed)
    undo = []
    with path.open("r+b", buffering=0) as file:
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(start, end - 8)
            extreme = struct.pack("<Q", chance.choice([0, 1, 2**31 - 1, 2**32 - 1, 2**62, 2**63, 2**64 - 1]))
            new = chance.choice([chance.randbytes(1), chance.randbytes(4), extreme])
            file.seek(at)
            undo.append((at, file.read(len(new))))
            file.seek(at)
            file.write(new)
    return undo


def restore(path: Path, undo: list[tuple[int, bytes]]) -> None:
    """Put everything back, latest first."""
    with path.open("r+b", buffering=0) as file:
        for at, old in reversed(undo):
            file.seek(at)
            file.write(old)


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    return shutil.copyfile(original, tmp_path / "copy.gguf")


def test_the_starter_passes(original: Path) -> None:
    found = inspect(original)
    assert (found.architecture, found.quantization, found.has_chat_template) == ("llama", "Q4_1", True)
    assert found.parameters == 134_515_008
    assert found.shape.kv_values_per_token == 30 * 2 * 3 * 64
    assert read_header(original).special_tokens()[2] == "<|im_end|>"


def test_a_file_on_its_way_into_the_library_is_inspected_for_real(original: Path, tmp_path: Path) -> None:
    library = Library(home_from({"EDGELLM_HOME": str(tmp_path / "home")}))
    added = library.add(original, "copy")
    assert library.verify("copy") == added


@pytest.mark.parametrize("share", [0.001, 0.01, 0.5, 0.999])
def test_truncated_starters_are_refused(copy: Path, share: float) -> None:
    os.truncate(copy, int(share * copy.stat().st_size))
    with pytest.raises(ModelRejected, match="truncated"):
        inspect(copy)


def test_a_sound_header_of_an_impossible_model_is_refused_by_the_child(copy: Path) -> None:
    content = copy.read_bytes()
    at = content.index(b"blk.7.attn_q.weight")
    copy.write_bytes(content[:at] + b"blk.7.attn_Q.weight" + content[at + 19 :])
    check_header(copy)
    with pytest.raises(ModelRejected, match=r"llama\.cpp"):
        inspect(copy)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_header_mutations_of_the_starter_raise_nothing_else(copy: Path) -> None:
    data_offset = read_header(copy).data_offset
    rejected = 0
    for seed in range(HEADER_MUTATIONS):
        undo = damage(copy, 0, data_offset if seed % 2 else 2_000, seed)
        try:
            check_header(copy)
        except ModelRejected:
            rejected += 1
        restore(copy, undo)
    assert HEADER_MUTATIONS // 4 < rejected < HEADER_MUTATIONS
    check_header(copy)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_mutations_through_the_whole_inspection_leave_the_caller_alive(copy: Path) -> None:
    header = read_header(copy)
    outcomes = {"accepted": 0, "by the header": 0, "by the child": 0}
    seed = 0
    while outcomes["accepted"] + outcomes["by the child"] < FULL_MUTATIONS:
        seed += 1
        undo = damage(copy, 24, header.data_offset if seed % 4 else header.file_bytes, seed)
        try:
            inspect(copy)
            outcomes["accepted"] += 1
        except ModelRejected as error:
            by_child = "llama.cpp" in str(error.facts["reason"]) or "opening it" in str(error.facts["reason"])
            outcomes["by the child" if by_child else "by the header"] += 1
        restore(copy, undo)
    assert outcomes["by the header"] > 0, outcomes


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("context_tokens", [2048, 8192])
def test_predicted_memory_is_within_15_percent_of_a_real_worker(original: Path, context_tokens: int) -> None:
    found = compare(original, context_tokens, probe(), 0)
    assert found["error"] < 15, found
