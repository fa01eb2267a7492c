"""`edgellm serve`: models for other programs, over HTTP."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from edgellm.cli.diagnostics import Code
from edgellm.cli.names import MODEL
from edgellm.cli.style import bold
from edgellm.cli.units import count
from edgellm.cli.world import World, pass_world
from edgellm.errors import MissingExtra

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM
    from edgellm.server.run import Ready
    from edgellm.server.service import ServeOptions

PORT = 8000


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    metavar="N",
    help=f"Port to listen on; 0 takes a free one.  [default: {PORT}]",
)
@click.option(
    "-m", "--model", type=MODEL, metavar="MODEL[@ADAPTER]", help="The model that is opened at once, or an alias."
)
@click.option(
    "--parallel",
    "running",
    type=click.IntRange(1, 256),
    default=8,
    show_default=True,
    metavar="N",
    help="Requests that are answered at once; others wait.",
)
@click.option(
    "--queue",
    "waiting",
    type=click.IntRange(1, 100_000),
    default=64,
    show_default=True,
    metavar="N",
    help="Requests that may wait for their turn.",
)
@click.option("--allow-host", "allow_hosts", multiple=True, metavar="NAME", help="A name that clients call it by.")
@click.option(
    "--allow-origin",
    "allow_origins",
    multiple=True,
    metavar="ORIGIN",
    help="An origin that requests of pages may have.",
)
@click.option(
    "--deadline",
    "deadline_s",
    type=click.FloatRange(1, 86_400),
    default=300.0,
    show_default=True,
    metavar="S",
    help="Seconds until an answer that is not complete is given up.",
)
@click.option("--otlp", metavar="URL", help="A collector of OpenTelemetry's traces; nothing is sent without.")
@click.option("--stdio-handshake", is_flag=True, help="For a program that starts it: free port, one key, ends with it.")
@click.option("--json", "as_data", is_flag=True, help="Say as JSON that it is ready.")
@pass_world
def serve(
    world: World, /, port: int | None, model: str | None, stdio_handshake: bool, as_data: bool, **said: Any
) -> int:
    """Answer clients of OpenAI's API, on this machine or the network.

    Ctrl+C ends it when the open answers are complete, at most ten seconds later.
    """
    options = _options(port=_port(port, stdio_handshake), **said)
    from edgellm.server.address import is_loopback  # deferred: loaded by this command only

    if stdio_handshake and not is_loopback(options.host):
        return world.err.usage_error("edgellm serve", "--stdio-handshake is for programs on this machine only.")
    admin_token = _admin_token(world)
    with world.open(model) as edge:
        if not is_loopback(options.host) and not _has_key(edge):
            message = f"Others can reach {options.host}, and there is no key that they would need."
            return world.err.usage_error("edgellm serve", message, "Make one first: edgellm keys create NAME")
        edge.models.load(edge.model, lambda share: world.err.status(f"opening {edge.model} {share:.0%}"))
        world.err.clear_status()
        if stdio_handshake:
            _serve_parent(world, edge, options)
        else:
            _serve_all(world, edge, options, as_data, admin_token)
    return Code.DONE


def _port(given: int | None, stdio_handshake: bool) -> int:
    if given is not None:
        return given
    return 0 if stdio_handshake else PORT


def _options(**said: Any) -> ServeOptions:
    """Raises: MissingExtra."""
    try:
        import edgellm.server.run  # noqa: F401  is all of it installed?
        from edgellm.server.service import ServeOptions
    except ModuleNotFoundError as error:
        message = f"A server needs the package {error.name!r}, which is missing."
        raise MissingExtra(message, hint='Install it: pip install "edgellm[serve]"', extra="serve") from error
    return ServeOptions(**said)


def _admin_token(world: World) -> str | None:
    """What the program that starts the server will show; no process that the server starts is told it."""
    from edgellm.settings import SERVER_TOKEN

    token = world.environment.get(SERVER_TOKEN)
    os.environ.pop(SERVER_TOKEN, None)
    return token or None


def _has_key(edge: EdgeLLM) -> bool:
    import time

    return any(key.state(time.time()) == "active" for key in edge.keys.list())


def _serve_all(world: World, edge: EdgeLLM, options: ServeOptions, as_data: bool, admin_token: str | None) -> None:
    from edgellm.server.run import serve as run

    is_closed = bool(edge.keys.list()) and not _has_key(edge)

    def ready(found: Ready) -> None:
        if as_data:
            _say(world, {"url": found.url, "pid": os.getpid(), "model": found.model})
            return
        if is_closed:
            world.err.warn("No key is valid any more, so every request is refused. Make one: edgellm keys create NAME")
        world.out.line(bold(found.url), f"  {found.model}")
        world.err.note(f"{count(options.running, 'answer')} at once; Ctrl+C ends it.")

    run(edge, options, on_ready=ready, admin_token=admin_token)


def _serve_parent(world: World, edge: EdgeLLM, options: ServeOptions) -> None:
    """Serve the program that holds the other end of standard input, until it closes it."""
    from edgellm.server.run import serve as run

    def ready(found: Ready) -> None:
        _say(world, {"url": found.url, "token": found.token, "pid": os.getpid(), "model": found.model})

    run(edge, options, on_ready=ready, with_token=True, until=lambda: _read_to_end(world.stdin.fileno()))


def _read_to_end(descriptor: int) -> None:
    while os.read(descriptor, 4096):
        continue


def _say(world: World, value: dict[str, Any]) -> None:
    """One JSON document on one line."""
    import json

    world.out.write(json.dumps(value) + "\n")
