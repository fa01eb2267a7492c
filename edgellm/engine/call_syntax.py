"""How families of models write calls of tools, and which of them a chat template asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NAME = "[A-Za-z0-9_-]{1,64}"
"""What a tool can be called, as a regular expression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSyntax:
    """How a family of models writes calls: JSON objects with `name` and `arguments` between marks."""

    openings: tuple[str, ...]
    closing: str = ""
    """Empty: the end of the JSON ends the call."""
    is_bare: bool = False
    """Whether an object at the answer's beginning is a call without any mark."""
    is_named: bool = False
    """Whether a name followed by its arguments is a call: `[TOOL_CALLS]name[ARGS]{...}`."""
    arguments: str = "arguments"
    """The key of the arguments."""
    prefix: str = ""
    """What the prompt ends with when a call is asked for."""
    takes_one_call: bool = False
    """Whether the template takes one call a turn only."""
    tags: tuple[str, ...] = ()
    """Texts that may be control tokens."""
    stop: tuple[str, ...] = ()
    """Texts that end an answer: the model begins to write the result itself."""
    marks: tuple[str, ...] = ()
    """What a chat template that asks for it contains."""
    foreign: tuple[str, ...] = ()
    """What such a template does not contain."""


TAGGED = CallSyntax(
    openings=("<tool_call>",),
    closing="</tool_call>",
    prefix="<tool_call>\n",
    tags=("<tool_call>", "</tool_call>"),
    stop=("<tool_response>",),
    marks=("<tool_call>",),
    foreign=("<function=", "<arg_key>"),
)
"""Hermes, Qwen 2.5 and 3, Granite 4, SmolLM; and the form that models are told whose template knows no tools."""
LLAMA = CallSyntax(
    openings=("<|python_tag|>",),
    is_bare=True,
    arguments="parameters",
    takes_one_call=True,
    tags=("<|python_tag|>",),
    marks=('"parameters"', "ipython"),
)
"""Llama 3.1 to 3.3."""
MISTRAL = CallSyntax(
    openings=("[TOOL_CALLS]",),
    is_named=True,
    prefix="[TOOL_CALLS] [",
    tags=("[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"),
    marks=("[TOOL_CALLS]",),
)
"""Mistral since its third tokenizer, with a list of objects or with names."""
SYNTAXES = (MISTRAL, TAGGED, LLAMA)


def syntax_in(template: str) -> CallSyntax | None:
    """The way of writing calls that a chat template asks for; None when it is none that is read here."""

    def is_meant(syntax: CallSyntax) -> bool:
        return all(m in template for m in syntax.marks) and not any(f in template for f in syntax.foreign)

    return next(filter(is_meant, SYNTAXES), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calling:
    """What may be called in one request, and how calls are told from text."""

    syntax: CallSyntax
    names: frozenset[str]
    is_open: bool = False
    """The prompt ended where a call's object begins."""
    tokens: Mapping[int, str] = field(default_factory=dict)
    """The syntax's tags that are control tokens: token id to the tag's text."""
