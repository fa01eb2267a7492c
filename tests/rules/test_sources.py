"""The sources keep the rules; each rule is first shown to find what it forbids."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.rules import checks
from tests.rules.sources import PRODUCT, TOOLS, Source, source_from, sources

Check = Callable[[Source], Iterator[str]]

OVERSIZED = "def f():\n" + "    x = 1\n" * checks.FUNCTION_LINES
FORBIDDEN: list[tuple[Check, str]] = [
    (checks.unsafe_imports, "import pickle"),
    (checks.unsafe_imports, "from joblib.externals import loky"),
    (checks.unsafe_calls, "eval('1')"),
    (checks.unsafe_calls, "import torch\ntorch.load('x')"),
    (checks.unsafe_calls, "import subprocess\nsubprocess.run('ls', shell=True)"),
    (checks.unsafe_calls, "load(trust_remote_code=flag)"),
    (checks.wrong_doors, "import llama_cpp"),
    (checks.wrong_doors, "from textual.app import App"),
    (checks.wrong_doors, "import sqlite3"),
    (checks.shared_decoders, "import msgspec\nmsgspec.convert({}, Row)"),
    (checks.shared_decoders, "import msgspec\nmsgspec.json.Decoder(Row)"),
    (checks.shared_decoders, "import msgspec\nmsgspec.msgpack.decode(data, type=Row)"),
    (checks.unsandboxed_templates, "from jinja2 import Environment\nEnvironment()"),
    (checks.unsandboxed_templates, "class Own(jinja2.sandbox.SandboxedEnvironment): ..."),
    (checks.unsandboxed_templates, "import jinja2\njinja2.Template('x')"),
    (checks.swallowed_errors, "try:\n    f()\nexcept:\n    raise"),
    (checks.swallowed_errors, "try:\n    f()\nexcept Exception:\n    pass"),
    (checks.prints, "print('here')"),
    (checks.leftovers, "x = 1  # TO" + "DO later"),
    (checks.leftovers, "path = '/ro" + "ot/models'"),
    (checks.oversized, OVERSIZED),
    (checks.oversized, "def f(a, b, c, d, e, f): ..."),
    (checks.undescribed, "x = 1"),
    (checks.undescribed, '"""A module without a full stop"""'),
]
ALLOWED: list[tuple[Check, str]] = [
    (checks.unsafe_calls, "import re\nre.compile('x')"),
    (checks.unsafe_calls, "model.eval()"),
    (checks.shared_decoders, "import msgspec\nmsgspec.json.decode(data)"),
    (checks.unsandboxed_templates, "from jinja2 import TemplateError\nImmutableSandboxedEnvironment()"),
    (checks.oversized, 'def f():\n    """' + "one\n" * 90 + '"""'),
    (checks.swallowed_errors, "try:\n    f()\nexcept OSError:\n    pass"),
    (checks.oversized, "def f(self, a, b, c, d, e, *, g=1, h=2): ..."),
    (checks.undescribed, '"""A module."""'),
]
EVERYWHERE = (
    checks.unsafe_imports, checks.unsafe_calls, checks.wrong_doors, checks.shared_decoders,
    checks.unsandboxed_templates, checks.swallowed_errors, checks.leftovers, checks.oversized, checks.undescribed,
)  # fmt: skip
PRINTERS = ("edgellm/cli/", "edgellm/engine/trial.py")
LONG_FILES: dict[str, str] = {}
"""Files over the limit, with the reason."""


@pytest.mark.parametrize(("check", "text"), FORBIDDEN)
def test_a_rule_finds_what_it_forbids(check: Check, text: str) -> None:
    assert list(check(source_from(text)))


@pytest.mark.parametrize(("check", "text"), ALLOWED)
def test_a_rule_leaves_the_rest_alone(check: Check, text: str) -> None:
    assert not list(check(source_from(text)))


@pytest.mark.parametrize("check", EVERYWHERE, ids=lambda check: check.__name__)
def test_the_product_keeps(check: Check) -> None:
    complaints = [complaint for source in sources(*PRODUCT) for complaint in check(source)]
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("check", [checks.unsafe_imports, checks.unsafe_calls, checks.swallowed_errors,
                                   checks.leftovers, checks.oversized, checks.undescribed],
                         ids=lambda check: check.__name__)  # fmt: skip
def test_the_tools_keep(check: Check) -> None:
    complaints = [complaint for source in sources(*TOOLS) for complaint in check(source)]
    assert not complaints, "\n".join(complaints)


def test_libraries_do_not_print() -> None:
    libraries = [source for source in sources(*PRODUCT) if not source.name.startswith(PRINTERS)]
    complaints = [complaint for source in libraries for complaint in checks.prints(source)]
    assert not complaints, "\n".join(complaints)


def test_files_fit_a_head() -> None:
    long = {source.name: source.lines for source in sources(*PRODUCT, *TOOLS) if source.lines > checks.FILE_LINES}
    unexplained = {name: lines for name, lines in long.items() if name not in LONG_FILES}
    assert not unexplained, f"Over {checks.FILE_LINES} lines without a reason in LONG_FILES: {unexplained}"
    assert set(LONG_FILES) <= set(long), "LONG_FILES names files that are short again."
