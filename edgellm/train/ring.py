"""The processes that share a run's batches: where they are, and what each must know to find the others.

They average their gradients through MLX's ring, each sending to the next over TCP
(https://ml-explore.github.io/mlx/build/html/usage/distributed.html).
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgellm.errors import InvalidInput
from edgellm.paths import write_private

FIRST_PORT = 41_500
"""Of the first of several machines, where the file names none; the next ones count on."""


@dataclass(frozen=True, slots=True)
class Member:
    """One process."""

    address: str
    """As the others reach it."""
    port: int
    target: str = ""
    """What ssh connects to; empty: it is started here."""
    command: tuple[str, ...] = ("edgellm",)
    """EdgeLLM's command over there."""


def loopback(count: int) -> list[Member]:
    """Members on this machine, at ports that are free now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [Member("127.0.0.1", each.getsockname()[1]) for each in sockets]


def read_hosts(text: str) -> list[Member]:
    """Members from lines of `ADDRESS[:PORT] [SSH-TARGET [COMMAND ...]]`; `#` begins a comment.

    The first one is this machine: it needs no target. Raises: InvalidInput, naming the line.
    """
    members: list[Member] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            members.append(_member(words, len(members), number))
    if len(members) < 2:
        raise _wrong("It names fewer than two machines.")
    if members[0].target:
        raise _wrong("The first line is this machine; it takes an address only.")
    if any(not member.target for member in members[1:]):
        raise _wrong("Each line after the first needs what ssh connects to, after the address.")
    if len({(member.address, member.port) for member in members}) < len(members):
        raise _wrong("Two lines have the same address and port.")
    return members


def _member(words: Sequence[str], rank: int, line: int) -> Member:
    address, _, port = words[0].partition(":")
    try:
        ipaddress.IPv4Address(address)
        number = int(port) if port else FIRST_PORT + rank
    except ValueError:
        raise _wrong(
            f"Line {line} begins with {words[0]!r}, which is no IPv4 address with or without a port."
        ) from None
    if not 1 <= number <= 65_535:
        raise _wrong(f"Line {line} has the port {number}.")
    target = words[1] if len(words) > 1 else ""
    if target.startswith("-"):
        raise _wrong(f"Line {line} has the target {target!r}; ssh would take it for an option.")
    return Member(address, number, target, tuple(words[2:]) or ("edgellm",))


def _wrong(what: str) -> InvalidInput:
    return InvalidInput(f"The file of hosts cannot be used: {what}", hint="See docs/train.md.", field="hosts")


def addresses(members: Sequence[Member]) -> list[str]:
    """`address:port` of each, in order."""
    return [f"{member.address}:{member.port}" for member in members]


def ring_environment(folder: Path, members: Sequence[str], rank: int) -> dict[str, str]:
    """What the process of a rank must find in its environment; the folder takes the list. One alone needs nothing."""
    if len(members) < 2:
        return {}
    path = folder / f"ring-{rank}.json"
    write_private(path, json.dumps([[member] for member in members]).encode())
    here = members[rank].partition(":")[0]
    beside = sum(member.partition(":")[0] == here for member in members)
    threads = str(max(1, (os.cpu_count() or 1) // beside))
    return {"MLX_HOSTFILE": str(path), "MLX_RANK": str(rank), "OPENBLAS_NUM_THREADS": threads}
