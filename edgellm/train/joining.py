"""A run's process on another machine: what is sent there over ssh, and how it is done there.

The package comes on standard input, after its length; the process says on standard output what every process that
trains says. A line `stop` on standard input ends it after its step; the end of standard input ends it at once, so that
none outlives the machine that began the run.
"""

from __future__ import annotations

import os
import shlex
import signal
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from io import RawIOBase
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from edgellm.decoding import from_msgpack
from edgellm.errors import EdgeLLMError, InvalidInput, ModelDoesNotFit, ModelNotFound
from edgellm.gguf_header import read_header
from edgellm.hub.hardware import probe
from edgellm.hub.installed import Library, sha256_of
from edgellm.paths import private_dir
from edgellm.train.architecture import read_architecture
from edgellm.train.environment import TEMPORARY, mlx_environment
from edgellm.train.plan import plan_run, refuse_if_too_large
from edgellm.train.ring import Member, addresses, ring_environment
from edgellm.train.rows import read_rows
from edgellm.train.spec import Broke, RunSpec, read_spec, say, write_spec

STOP = b"stop\n"
MOST_BYTES = 16 * 1024**3
_LENGTH = struct.Struct(">Q")


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """What a process needs that joins a run."""

    rank: int
    members: list[str]
    base_sha256: str
    spec: RunSpec
    rows: bytes
    checkpoint: str = ""
    """Name of the newest one; empty: the run begins."""
    checkpoint_files: dict[str, bytes] = {}
    start: bytes = b""
    """Weights of an adapter that goes on learning; empty: a new one."""


def package(folder: Path, base_sha256: str, members: list[Member], rank: int) -> bytes:
    """The run in a folder, for one of its members, as it is sent."""
    spec = read_spec(folder / "spec.json")
    newest = max((folder / "checkpoints").glob("step-*"), default=None)
    packed = msgspec.msgpack.encode(
        Package(
            rank=rank,
            members=addresses(members),
            base_sha256=base_sha256,
            spec=spec,
            rows=Path(spec.rows).read_bytes(),
            checkpoint=newest.name if newest else "",
            checkpoint_files={path.name: path.read_bytes() for path in newest.iterdir()} if newest else {},
            start=Path(spec.start).read_bytes() if spec.start else b"",
        )
    )
    return _LENGTH.pack(len(packed)) + packed


def ssh_command(member: Member) -> list[str]:
    """How a member is started; never asks for a password."""
    return ["ssh", "-T", "-o", "BatchMode=yes", member.target, "--", shlex.join([*member.command, "train", "join"])]


def join(stdin: RawIOBase, library: Library, cache: Path) -> int:
    """Do a package's part of the run; what goes wrong is said as the run's other processes say it.

    `stdin` is unbuffered: a thread still waits for it when this process ends, and must hold no lock of a buffer.
    """
    try:
        sent = _received(stdin)
        with TemporaryDirectory(dir=private_dir(cache)) as place:
            return _take_part(stdin, sent, _base(library, sent.base_sha256), Path(place))
    except EdgeLLMError as error:
        sys.stdout.buffer.write(say(Broke(error=type(error).__name__, message=error.message, hint=error.hint)))
        sys.stdout.flush()
        return 1


def _received(stdin: RawIOBase) -> Package:
    head = _read(stdin, _LENGTH.size)
    length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
    if not 0 < length <= MOST_BYTES or len(content := _read(stdin, length)) < length:
        raise InvalidInput(
            "Nothing that belongs to a run came on standard input.",
            hint="This command is started by `edgellm train run --hosts FILE` on another machine.",
        )
    try:
        return from_msgpack(content, type=Package)
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"The run was begun by another version of EdgeLLM: {error}.") from error


def _read(stdin: RawIOBase, count: int) -> bytes:
    """As many bytes, or fewer where the stream ends."""
    pieces: list[bytes] = []
    while count and (piece := stdin.read(count)):
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _base(library: Library, sha256: str) -> Path:
    """This machine's own file of the base."""
    for model in library.list():
        if (model.sha256 or sha256_of(model.path)) == sha256:
            library.inspect(model.path)
            return model.path
    raise ModelNotFound(
        f"The machine {os.uname().nodename!r} does not have the base that is taught (SHA-256 {sha256[:12]}…).",
        hint="Install the same file there.",
    )


def _take_part(stdin: RawIOBase, sent: Package, base: Path, place: Path) -> int:
    rows, start = place / "rows.msgpack", place / "start.safetensors"
    rows.write_bytes(sent.rows)
    start.write_bytes(sent.start)
    spec = msgspec.structs.replace(sent.spec, base=str(base), rows=str(rows), start=str(start) if sent.start else "")
    _refuse_if_too_large(spec, len(sent.members))
    write_spec(place / "spec.json", spec)
    if sent.checkpoint:
        target = private_dir(place / "checkpoints" / Path(sent.checkpoint).name)
        for name, content in sent.checkpoint_files.items():
            (target / Path(name).name).write_bytes(content)
    environment = mlx_environment(os.environ, place / TEMPORARY) | ring_environment(place, sent.members, sent.rank)
    child = subprocess.Popen(
        [sys.executable, "-m", "edgellm.train.child", str(place)],
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    threading.Thread(target=_obey, args=(stdin, child), daemon=True).start()
    return child.wait()


def _refuse_if_too_large(spec: RunSpec, members: int) -> None:
    """Raises: ModelDoesNotFit when this machine has no room for one member's part."""
    header = read_header(Path(spec.base))
    shape, sets = read_architecture(header), read_rows(Path(spec.rows))
    plan = plan_run(shape, sets, spec.settings, header.parameters, members=members)
    try:
        refuse_if_too_large(plan, probe().available_bytes)
    except ModelDoesNotFit as error:
        message = f"On the machine {os.uname().nodename!r}: {error.message}"
        raise ModelDoesNotFit(message, hint=error.hint, **error.facts) from error


def _obey(stdin: RawIOBase, child: subprocess.Popen[bytes]) -> None:
    while line := stdin.readline():
        if line == STOP:
            with suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)
    child.kill()
