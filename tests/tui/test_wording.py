"""No message that the app can show names a flag of the command line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from edgellm_tui.errors import explain
from edgellm_tui.wording import in_app

from edgellm.data.report import Problem
from edgellm.errors import CollectionNotFound, EdgeLLMError, InvalidInput, ModelNotFound, NotFound
from tests.tui.conftest import opened, screen_text, settle
from tests.tui.data_pages import report_of
from tests.tui.fakes import FakeEdge
from tests.tui.fakes.datasets import report

SOURCES = Path(__file__).parents[2] / "edgellm"
SHOWN_FROM = ("data", "engine", "evals", "export", "hub", "retrieval", "sdk", "store", "train")
"""What the app asks something of."""
FLAG = re.compile(r"(?<![\w-])--[a-z]")
COMMAND = re.compile(r"`edgellm [^`]*`|edgellm [a-z]+ [a-z]+.*|mlx_lm.*|systemctl .*")
"""What is typed in a terminal, for what no page does."""
COVERED = re.compile(
    r"edgellm (data|jobs|sessions|models|adapters) (list|pull|resume)"
    r"|edgellm docs (list|add)|edgellm (keys list|eval list|serve)"
)


def said(node: ast.AST) -> str:
    """The text of a string, with a word for what is filled in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(said(part) or "something" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def messages() -> Iterator[tuple[str, str]]:
    """Name of a file, and each text of several words in it."""
    for folder in SHOWN_FROM:
        for path in sorted((SOURCES / folder).rglob("*.py")):
            nodes = list(ast.walk(ast.parse(path.read_text())))
            parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
            docs = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
            for node in nodes:
                text = said(node)
                if " " in text and id(node) not in parts | docs:
                    yield path.name, text


def test_no_message_names_a_flag_or_a_command_that_a_page_stands_for() -> None:
    found = [(file, in_app(text)) for file, text in messages()]
    assert len(found) > 500, "the search finds nothing any more"
    assert [(file, text) for file, text in found if FLAG.search(COMMAND.sub("", text)) or COVERED.search(text)] == []


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            ModelNotFound("'qwen3-4b' is not installed.", hint="Fetch it: edgellm models pull qwen3-4b"),
            "'qwen3-4b' is not installed. Fetch it: on the models page (F4)",
        ),
        (
            InvalidInput(
                "The name is taken.", hint="Choose another name, or remove it first: edgellm models remove a.b"
            ),
            "The name is taken. Choose another name, or remove it first (F9 on the models page, F4).",
        ),
        (
            NotFound("There is no key 'x'.", hint="edgellm keys list shows them."),
            "There is no key 'x'. The server page (Ctrl+X) shows them.",
        ),
        (
            NotFound("No server takes requests here.", hint="Start one: edgellm serve"),
            "No server takes requests here. s on the server page (Ctrl+X) starts one.",
        ),
        (
            CollectionNotFound("There is no collection 'x'.", hint="Make it of documents: edgellm docs add PATH -c x"),
            "There is no collection 'x'. F5 on the documents page (Ctrl+F) makes one.",
        ),
    ],
)
def test_an_error_is_told_in_the_apps_words(error: EdgeLLMError, shown: str) -> None:
    assert explain(error) == shown


async def test_a_problem_of_the_report_names_the_key() -> None:
    edge = FakeEdge()
    hint = "Say which is which, for example: prompt=Question,completion=Answer"
    problem = Problem(file="faq.csv", line=None, message="faq.csv: the columns are not known.", hint=hint)
    edge.datasets.report = report(problems=(problem,))
    async with opened(edge=edge) as pilot:
        await report_of(pilot, "faq.csv")
        await settle(pilot, lambda: "which with c in the report" in screen_text(pilot))
