"""`edgellm chat`: ask a local model once, or talk with it line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgellm.cli.answer import as_json, follow, in_one_line
from edgellm.cli.named import NAMED
from edgellm.cli.names import MODEL
from edgellm.cli.prompt import checked_text, read_prompt
from edgellm.cli.talk import ChatOptions, Talk
from edgellm.cli.world import World, pass_world
from edgellm.errors import StoreError
from edgellm.types import FinishReason


@click.command("chat")
@click.argument("prompt", required=False)
@click.option(
    "-m",
    "--model",
    type=MODEL,
    metavar="MODEL[@ADAPTER]",
    help="An installed model, `starter`, or a path to a .gguf file; with an adapter: `starter@NAME`.",
)
@click.option("-s", "--system", metavar="TEXT", help="Instruction the model follows throughout.")
@click.option("--session", type=NAMED, metavar="ID", help="Go on with this session; the beginning of its id is enough.")
@click.option("--continue", "goes_on", is_flag=True, help="Go on with the most recent session.")
@click.option("--save/--no-save", "is_saved", default=True, help="Keep the chat as a session (the default) or not.")
@click.option("--max-tokens", type=int, metavar="N", help="Write at most N tokens.")
@click.option("--temperature", type=float, metavar="T", help="0 takes the most probable token, higher varies more.")
@click.option("--seed", type=int, metavar="N", help="Same seed, same text.")
@click.option(
    "--schema", type=click.Path(path_type=Path), metavar="FILE", help="Answer with JSON valid under this schema."
)
@click.option("--json", "as_object", is_flag=True, help="Print one JSON object instead of text.")
@pass_world
def chat(world: World, /, prompt: str | None, as_object: bool, **said: Any) -> int:
    """Ask a local model, once or line by line.

    The prompt is PROMPT, standard input, or both: `git diff | edgellm chat "Summarise this."`
    Without any of them, in a terminal, it is a conversation; Ctrl+D ends it.

    Ctrl+C stops the answer and keeps what was written.

    With --json the keys are text, finish_reason, model, usage (prompt_tokens, cached_tokens,
    completion_tokens) and timings (load_s, ttft_s, prefill_tokens_per_s, decode_tokens_per_s).
    """
    options = ChatOptions(**said)
    if options.system:
        checked_text(options.system, "The instruction")
    if options.session and options.goes_on:
        raise click.UsageError("--session and --continue each name a session; give one of them.")
    if prompt is None and world.is_conversational and not as_object:
        from edgellm.cli.line_chat import LineChat  # deferred: readline

        with world.open(options.model) as edge:
            return LineChat(world, edge, Talk(edge, options)).run()
    asked = read_prompt(prompt, world.stdin, world.err)
    try:
        with world.open(options.model) as edge, Talk(edge, options).asking(asked) as stream:
            reply, ended_by = follow(stream, world, quiet=as_object)
    except StoreError as error:
        if options.begins_a_session:
            error.hint = f"{error.hint} With --no-save a model answers without a store.".lstrip()
        raise
    if as_object:
        world.out.json(as_json(reply))
    elif world.out.is_terminal:
        world.err.note(in_one_line(reply))
    elif reply.finish_reason is FinishReason.LENGTH:
        world.err.note("The answer was cut at the most tokens allowed; --max-tokens changes that.")
    return ended_by
