"""`edgellm tour`: what EdgeLLM does, shown with a real model on this machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from edgellm.cli.answer import follow, in_one_line
from edgellm.cli.diagnostics import Code
from edgellm.cli.ids import SHOWN
from edgellm.cli.interrupt import end_by
from edgellm.cli.lesson import ALIAS, LESSONS, apart, correct, improve
from edgellm.cli.lesson import SAMPLING as SHORT
from edgellm.cli.named import NAMED
from edgellm.cli.progress import bar
from edgellm.cli.style import Part, bad, bold, dim, good
from edgellm.cli.table import Column
from edgellm.cli.world import World, pass_world
from edgellm.errors import MissingExtra, ModelRejected
from edgellm.safetext import clean_line
from edgellm.sizes import size
from edgellm.types import Reply, Sampling, TokenTrace

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM

MODEL = "starter"
QUESTION = "In two sentences: why is the sky blue?"
BEGINNING = "The capital of France is"
FOLLOW_UP = "Now say it in one short sentence for a child."
SAMPLING = Sampling(temperature=0.0, seed=1, max_tokens=80)
TRACED_TOKENS = 6
ALTERNATIVES = 3


@click.command("tour")
@click.option(
    "-m", "--model", type=NAMED, metavar="MODEL", default=MODEL, show_default=True, help="The model to show it with."
)
@pass_world
def tour(world: World, model: str) -> int:
    """See in a few minutes what EdgeLLM does, on this machine.

    Everything shown is computed while you watch; nothing leaves this machine. The conversation is kept, so that you
    can go on with it.
    """
    Tour(world, model).run()
    return Code.DONE


class Tour:
    """Six steps, each a few lines of words and something real."""

    def __init__(self, world: World, model: str) -> None:
        self._world = world
        self._out = world.out
        self._model = model

    def run(self) -> None:
        """Show everything. Raises: EdgeLLMError when the model is missing or does not work."""
        with self._world.open(self._model) as edge:
            self._show_fit(edge)
            session_id = edge.sessions.create(title="A tour of EdgeLLM", model=self._model).id
            self._show_answer(edge, session_id)
            self._show_tokens(edge)
        with self._world.open(self._model) as edge:  # another start: what it knows comes from disk
            self._show_resuming(edge, session_id)
        self._show_loop()
        self._show_ways_on(session_id)

    def _step(self, number: int, title: str, text: str) -> None:
        self._out.line()
        self._out.line(bold(f"{number}. {title}"))
        self._out.hanging((), dim(text))
        self._out.line()

    def _show_fit(self, edge: EdgeLLM) -> None:
        self._step(
            1,
            "Does it fit?",
            "A model needs memory for its weights and for the conversation (the KV cache). EdgeLLM does the arithmetic "
            "before it opens or downloads anything.",
        )
        hardware = edge.models.hardware()
        fit = edge.models.fit(self._model)
        self._out.facts(
            [
                ("machine", f"{hardware.chip}, {hardware.usable_cores} cores, {size(hardware.total_memory_bytes)}"),
                ("model", edge.models.get(self._model).path.name),
                ("verdict", fit.reason),
                ("speed", f"about {fit.decode_tokens_per_s:.0f} tokens a second" if fit.decode_tokens_per_s else ""),
            ]
        )

    def _show_answer(self, edge: EdgeLLM, session_id: str) -> None:
        self._step(
            2,
            "Ask it something",
            "The model runs in a process of its own; if it dies, this command does not.",
        )
        self._ask(edge, session_id, QUESTION)

    def _ask(self, edge: EdgeLLM, session_id: str, prompt: str) -> Reply:
        self._out.line(dim("> "), prompt)
        self._out.line()
        stream = edge.chat(prompt, stream=True, model=self._model, session=session_id, sampling=SAMPLING)
        reply, ended_by = follow(stream, self._world)
        if ended_by is not Code.DONE:
            raise end_by(ended_by)
        self._out.line(dim(in_one_line(reply)))
        return reply

    def _show_tokens(self, edge: EdgeLLM) -> None:
        self._step(
            3,
            "How it writes",
            "A language model does one thing: it gives every possible next token a probability. "
            "One is chosen, appended, and the question is asked again. Entropy says how open the choice was.",
        )
        sampling = replace(SAMPLING, max_tokens=TRACED_TOKENS, logprobs=ALTERNATIVES)
        reply = edge.complete(BEGINNING, model=self._model, sampling=sampling)
        self._out.line(dim("> "), BEGINNING, bold(reply.text))
        self._out.line()
        header = [
            Column("TOKEN"),
            Column("", right=True),
            Column(""),
            Column("BITS", right=True),
            Column("INSTEAD OF", flexible=True),
        ]
        self._out.table(header, [_token_row(trace) for trace in reply.choices[0].tokens])

    def _show_resuming(self, edge: EdgeLLM, session_id: str) -> None:
        self._step(
            4,
            "It remembers",
            "The conversation was kept and the model was closed. Opened again, it takes what it had "
            "computed from disk instead of reading the conversation from the beginning.",
        )
        reply = self._ask(edge, session_id, FOLLOW_UP)
        usage = reply.usage
        self._out.line(
            f"{usage.cached_tokens:,} of {usage.prompt_tokens:,} prompt tokens did not have to be computed again."
        )

    def _show_loop(self) -> None:
        self._step(
            5,
            "Correct it, and it gets better",
            "Who uses a model says what is wrong. What was accepted in the review queue is learnt as an adapter, a "
            "small file beside the model; the new version is asked the same questions as the one that is live, a gate "
            "decides, and an alias moves. Two questions about a clock that does not exist, in a queue of their own:",
        )
        try:
            with apart(self._world, self._model) as (edge, model):
                self._go_round(edge, model)
        except (MissingExtra, ModelRejected) as error:
            self._out.hanging((), f"Not here: {error}")

    def _go_round(self, edge: EdgeLLM, model: str) -> None:
        """Correct, improve, look at what changed, promote, roll back."""
        for (question, answer), said in zip(LESSONS, correct(edge, model), strict=True):
            self._out.line(dim("> "), question)
            self._say("said", said)
            self._say("should be", answer)
        self._out.line()
        run = improve(self._world, edge)
        for rule in run.rules:
            mark = good("holds") if rule.holds else bad("fails")
            self._out.hanging((mark, "  ", bold(rule.suite), "  "), f"{rule.rule}: {rule.found}")
        if not run.passed:
            self._out.hanging((), f"{run.request.target} stays a candidate: {ALIAS} is what it was.")
            return
        moved = edge.improve.promote(run.id)
        self._out.line(good("live"), "  ", bold(ALIAS), f" is {moved.target}")
        self._out.line(dim("> "), LESSONS[0][0])
        self._say("says", edge.chat(LESSONS[0][0], model=ALIAS, sampling=SHORT).text)
        back = edge.promotion.rollback(ALIAS)
        self._out.line(good("rolled back"), "  ", bold(ALIAS), f" is {back.target} again")

    def _say(self, how: str, text: str) -> None:
        self._out.hanging((bold(f"{how:<10}"),), clean_line(" ".join(text.split())))

    def _show_ways_on(self, session_id: str) -> None:
        self._step(6, "Your turn", "The conversation was kept, too.")
        ways = [
            ("edgellm", "open the app"),
            ('edgellm chat "Name three rivers."', "ask from the shell"),
            (f"edgellm chat --session {session_id[:SHOWN]}", "go on with this conversation"),
            ("edgellm train run --data FILE --name NAME", "teach a model from your own examples"),
            (f"edgellm aliases set {ALIAS} {MODEL}", f"what `edgellm improve {ALIAS}` makes better"),
            ("edgellm models list --fits", "larger models that fit this machine"),
            ("edgellm doctor", "check the installation"),
        ]
        wide = max(len(command) for command, _ in ways)
        for command, what in ways:
            self._out.line("  ", bold(command.ljust(wide)), "  ", dim(what))


def _token_row(trace: TokenTrace) -> list[Part]:
    from math import exp

    share = exp(trace.logprob)
    others = [item for item in trace.alternatives if item.token != trace.token]
    instead = "  ".join(f"{item.text!r} {exp(item.logprob):.0%}" for item in others)
    return [bold(repr(trace.text)), f"{share:.0%}", bar(share, 10), f"{trace.entropy:.1f}", dim(instead)]
