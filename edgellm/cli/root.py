"""The command `edgellm`: its groups, and the options that hold for all of them."""

from __future__ import annotations

import os

import click

import edgellm
from edgellm.cli.lazy import LazyGroup
from edgellm.cli.named import NAMED
from edgellm.cli.world import World

COMMANDS: dict[str, tuple[str, str]] = {
    "chat": ("edgellm.cli.chat:chat", "Ask a local model, once or line by line."),
    "tour": ("edgellm.cli.tour:tour", "See in a few minutes what EdgeLLM does, on this machine."),
    "models": ("edgellm.cli.models:models", "Choose, fit, fetch, verify and remove models."),
    "data": ("edgellm.cli.data:data", "Check examples and turn them into datasets to train on."),
    "train": ("edgellm.cli.train:train", "Teach a model from examples, on this machine."),
    "pretrain": ("edgellm.cli.pretrain:pretrain", "Make a small model and its tokenizer from a folder of texts."),
    "export": (
        "edgellm.cli.export:export",
        "Package a model, and what it was taught, as files that are verified.",
    ),
    "quants": ("edgellm.cli.export:quants", "Compare quantizations of a model, and say which to use here."),
    "bundle": (
        "edgellm.cli.bundle:bundle",
        "Seal a model with adapter and documents in one file; open it on another machine.",
    ),
    "eval": (
        "edgellm.cli.evaluation:evaluation",
        "Measure models on your own questions, and whether a change made them better.",
    ),
    "gate": (
        "edgellm.cli.promotion:gate",
        "Say whether a model may take the place of another, by the rules of a policy file.",
    ),
    "promote": ("edgellm.cli.promotion:promote", "Let an alias stand for a model that passes the gate."),
    "rollback": (
        "edgellm.cli.promotion:rollback",
        "Let an alias stand for what it stood for before; at once, for all clients.",
    ),
    "review": ("edgellm.cli.reviews:review", "Decide what people's feedback and failures teach."),
    "improve": (
        "edgellm.cli.improve:improve",
        "Make the next version of an alias from its users' feedback, prove it, propose it.",
    ),
    "adapters": ("edgellm.cli.adapters:adapters", "List, attach and remove what models were taught."),
    "docs": ("edgellm.cli.docs:docs", "Ask your own documents, with citations you can check."),
    "keys": ("edgellm.cli.keys:keys", "Make, list and revoke keys of the server's clients."),
    "aliases": ("edgellm.cli.aliases:aliases", "Give models other names, which stay when the model changes."),
    "usage": ("edgellm.cli.usage:usage", "Show what was used: requests, tokens, latency, errors."),
    "monitor": ("edgellm.cli.monitor:monitor", "Show what is asked, how it is answered, and whether that changes."),
    "audit": ("edgellm.cli.audit:audit", "Read the audit log and check that nobody changed it."),
    "serve": ("edgellm.cli.serve:serve", "Answer clients of OpenAI's API, on this machine or the network."),
    "sessions": ("edgellm.cli.sessions:sessions", "List, search, export and delete conversations."),
    "jobs": ("edgellm.cli.jobs:jobs", "List, follow and cancel long work."),
    "doctor": ("edgellm.cli.doctor:doctor", "Check this installation and say what to repair."),
    "settings": ("edgellm.cli.settings:settings", "Show and change settings."),
    "completion": ("edgellm.cli.completion:completion", "Print shell completion for bash, zsh or fish."),
}


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"edgellm {edgellm.__version__}")
        ctx.exit()


def _check_place(home: str) -> None:
    """Refuse a home that is relative to a folder that was removed: nothing could be kept, not even an error's log."""
    if home and not home.startswith(("/", "~")):
        try:
            os.getcwd()
        except OSError:
            raise click.UsageError(f"The home {home!r} is below the current folder, which does not exist.") from None


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
@click.option("--home", type=NAMED, metavar="FOLDER", help="Keep everything below FOLDER (also EDGELLM_HOME).")
@click.option("--offline", is_flag=True, help="Never use the network, not even to look up a name.")
@click.pass_context
def root(context: click.Context, home: str | None, offline: bool) -> int | None:
    """Own a language model end to end on your own hardware.

    Without a command it opens the app. Everything stays on this machine.
    """
    world = context.find_object(World)
    if world is None:
        raise TypeError("the root command was started without a World")
    world.home_option = home
    _check_place(home or world.environment.get("EDGELLM_HOME", ""))
    world.offline = True if offline else None
    if context.invoked_subcommand is not None:
        return None
    from edgellm.cli.app import open_app  # deferred: looks through installed packages

    return open_app(world)
