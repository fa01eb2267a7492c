"""`edgellm completion`: the script that teaches a shell to complete `edgellm`."""

from __future__ import annotations

import click

from edgellm.cli.world import World, pass_world

WHOLE_NAMES = "COMP_WORDBREAKS=${COMP_WORDBREAKS//@}\n"
"""Otherwise bash takes `starter@lighthouse` for three words."""


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@pass_world
def completion(world: World, shell: str) -> None:
    """Print shell completion for bash, zsh or fish.

    \b
    bash  echo 'eval "$(edgellm completion bash)"' >> ~/.bashrc
    zsh   echo 'eval "$(edgellm completion zsh)"' >> ~/.zshrc
    fish  edgellm completion fish > ~/.config/fish/completions/edgellm.fish
    """
    from click.shell_completion import get_completion_class

    from edgellm.cli.command import COMPLETION_VARIABLE, PROGRAM
    from edgellm.cli.root import root

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click has no completion for {shell}.")
    script = kind(root, {}, PROGRAM, COMPLETION_VARIABLE).source()
    world.out.write(WHOLE_NAMES + script if shell == "bash" else script)
