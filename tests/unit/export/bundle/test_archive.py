"""The container: what is written, and everything else that is refused."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from edgellm.errors import InvalidInput
from edgellm.export.bundle import archive
from edgellm.export.bundle.archive import END, ArchiveReader, header

GIGABYTE = 1024**3


def nothing(_: int) -> None:
    return


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def member(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    archive.write_member(out, name, content)
    return out.getvalue()


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 8 * GIGABYTE - 1, 8 * GIGABYTE, 900 * GIGABYTE])
def test_a_header_is_one_block_that_tar_understands(size: int) -> None:
    block = header("model.gguf", size)
    assert len(block) == 512
    info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    assert (info.name, info.size, info.isreg(), info.mode) == ("model.gguf", size, True, 0o644)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, archive.CHUNK_BYTES + 3])
def test_members_are_read_back(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    content = content[:size]
    copied = io.BytesIO()
    counted: list[int] = []
    digest = archive.copy_member(copied, "model.gguf", size, io.BytesIO(content), counted.append)
    assert sum(counted) == size
    assert len(copied.getvalue()) == archive.extent(size)
    path = written(tmp_path / "a.tar", member("manifest.json", b"{}") + copied.getvalue() + END)
    with ArchiveReader(path) as reader:
        assert reader.small(10) == ("manifest.json", b"{}")
        out = io.BytesIO()
        assert reader.member("model.gguf", size, out, nothing) == digest
        assert out.getvalue() == content
        reader.end()
    with tarfile.open(path) as tar:
        assert tar.getnames() == ["manifest.json", "model.gguf"]


@pytest.mark.parametrize(
    ("said", "found"), [(5, 4), (5, 6), (archive.CHUNK_BYTES, archive.CHUNK_BYTES + 1), (archive.CHUNK_BYTES, 3)]
)
def test_a_file_that_changes_while_it_is_read_is_refused(said: int, found: int) -> None:
    with pytest.raises(InvalidInput, match="changed while it was read"):
        archive.copy_member(io.BytesIO(), "model.gguf", said, io.BytesIO(bytes(found)), nothing)


def odd(**fields: object) -> bytes:
    info = tarfile.TarInfo("manifest.json")
    for name, value in fields.items():
        setattr(info, name, value)
    return info.tobuf(format=tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "block",
    [
        odd(type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        odd(type=tarfile.LNKTYPE, linkname="model.gguf"),
        odd(type=tarfile.DIRTYPE),
        odd(type=tarfile.CHRTYPE),
        odd(type=tarfile.FIFOTYPE),
        odd(type=tarfile.GNUTYPE_SPARSE),
        odd(mode=0o4755),
        odd(uid=1),
        odd(mtime=5),
        odd(uname="root"),
        odd(name="a" * 150),
        odd(size=11),
        header("manifest.json", 2)[:-1] + b"x",
        header("../manifest.json", 2)[:257] + bytes(255),
        bytes(512),
        b"PK\x03\x04" + bytes(508),
        b"\xff" * 512,
        b"short",
    ],
)
def test_anything_but_a_plain_member_is_refused(tmp_path: Path, block: bytes) -> None:
    path = written(tmp_path / "a.tar", block + b"{}" + bytes(510) + END)
    with ArchiveReader(path) as reader, pytest.raises(InvalidInput):
        reader.small(10)


def test_a_file_of_another_kind_is_told_as_such(tmp_path: Path) -> None:
    path = written(tmp_path / "model.gguf", b"GGUF" + bytes(2000))
    with ArchiveReader(path) as reader, pytest.raises(InvalidInput, match="the file is no bundle"):
        reader.small(10)


def test_a_negative_size_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("manifest.json")
    info.size = -1
    path = written(tmp_path / "a.tar", info.tobuf(format=tarfile.GNU_FORMAT) + END)
    with ArchiveReader(path) as reader, pytest.raises(InvalidInput):
        reader.small(10)


def test_hidden_bytes_between_members_and_after_the_end_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tar", header("manifest.json", 2) + b"{}" + bytes(509) + b"x" + END)
    with ArchiveReader(path) as reader, pytest.raises(InvalidInput, match="hidden"):
        reader.small(10)
    for tail in (END + b"\0", END[:-1], END[:-1] + b"x"):
        path = written(tmp_path / "b.tar", member("manifest.json", b"{}") + tail)
        with ArchiveReader(path) as reader:
            reader.small(10)
            with pytest.raises(InvalidInput):
                reader.end()


def test_another_member_than_the_expected_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tar", member("model.gguf", b"abc") + END)
    for name, size in (("adapter.gguf", 3), ("model.gguf", 2)):
        with ArchiveReader(path) as reader, pytest.raises(InvalidInput, match="something else"):
            reader.member(name, size, io.BytesIO(), nothing)


@pytest.mark.parametrize("name", ["missing.tar", "folder"])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InvalidInput, match="is no file"):
        ArchiveReader(tmp_path / name)
