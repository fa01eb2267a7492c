"""Chat templates are programs from strangers: nothing escapes, everything ends, refusals say why."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import edgellm
from edgellm.engine.template import CHATML, PLAIN, Renderer
from edgellm.errors import TemplateRejected

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi <b>&"}]
VARIABLES: dict[str, Any] = {"messages": MESSAGES, "add_generation_prompt": True, "bos_token": "<s>", "tools": None}

ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ().__class__.__bases__[0].__subclasses__() }}",
    "{{ messages.__class__ }}",
    "{{ messages|attr('__class__') }}",
    "{{ messages|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ ''['__class__'] }}{{ ''|map(attribute='__class__')|list }}",
    "{{ raise_exception.__globals__ }}",
    "{{ raise_exception.__globals__['os'].system('touch CANARY') }}",
    "{{ strftime_now.__globals__['__builtins__']['open']('CANARY','w') }}",
    "{{ range.__self__ }}{{ namespace.__init__.__globals__ }}",
    "{{ joiner.__init__.__globals__.os.popen('touch CANARY').read() }}",
    "{{ self.__init__.__globals__.__builtins__.__import__('os').system('touch CANARY') }}",
    "{{ self._TemplateReference__context }}{{ cycler.__init__.__globals__.os }}",
    "{{ lipsum.__globals__['os'].popen('touch CANARY').read() }}",
    "{{ config }}{{ request.application.__globals__ }}{{ get_flashed_messages.__globals__ }}",
    "{{ '{0.__class__.__mro__}'.format('') }}{{ '{0.__globals__}'.format(raise_exception) }}",
    "{{ '{a.__class__.__init__.__globals__}'.format_map({'a': raise_exception}) }}",
    "{% set f = '{0.__class__}'.format %}{{ f(7) }}{{ f.__self__.__class__ }}",
    "{% import 'os' as os %}{{ os.system('touch CANARY') }}",
    "{% include '/etc/passwd' %}",
    "{% extends '/etc/passwd' %}",
    "{{ messages.append({'role': 'user'}) }}",
    "{{ messages[0].update({'role': 'user'}) }}{{ messages[0].clear() }}",
    "{% for x in [[].__class__.__base__.__subclasses__()] %}{{ x }}{% endfor %}",
    "{{ (messages|map('attr', '__class__')|list)[0].__mro__ }}",
]
ENDLESS = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}"
    "{% endfor %}",
    "{{ '%0999999999d' % 3 }}",
    "{{ 'a' * 99999999999 }}",
    "{{ 9 ** (9 ** 9) }}",
    "{% set ns = namespace(x='aaaaaaaaaaaa') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
    "{% for i in range(99999) %}{{ 'a' * 9999 }}{% endfor %}",
    "{{ ('a' * 30) ~ ('a' * 300000000)|upper|replace('A', 'aaaaaaaa') }}",
    "{{ range(99999)|list|batch(1)|map('join')|list|tojson|length }}{% for i in range(99999) %}"
    "{% set x = range(99999)|sum %}{% endfor %}",
]


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    renderer = Renderer()
    yield renderer
    renderer.close()


def render(renderer: Renderer, template: str, **variables: Any) -> str:
    return renderer.render(template, [VARIABLES | variables])[0]


@pytest.mark.parametrize("template", ESCAPES)
def test_nothing_escapes(renderer: Renderer, template: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    try:
        text = render(renderer, template.replace("CANARY", str(canary)))
    except TemplateRejected:
        text = ""
    assert not canary.exists()
    assert not re.search(r"class '|function |module |root:", text), text


@pytest.mark.parametrize("template", ENDLESS)
def test_everything_ends_within_two_seconds_and_the_next_render_works(renderer: Renderer, template: str) -> None:
    render(renderer, "warm")
    started = time.monotonic()
    with pytest.raises(TemplateRejected):
        render(renderer, template)
    assert time.monotonic() - started < 6.0
    assert render(renderer, "{{ messages[1].content }}") == "Hi <b>&"


def test_a_child_that_does_not_start_is_replaced() -> None:
    renderer = Renderer()
    try:
        renderer._child._process.kill()
        with pytest.raises(TemplateRejected, match="did not start: it ended its process with code -9"):
            render(renderer, "warm")
        assert render(renderer, "warm") == "warm"
    finally:
        renderer.close()


def test_a_refusal_of_the_template_itself_is_quoted(renderer: Renderer) -> None:
    with pytest.raises(TemplateRejected, match="Roles must alternate"):
        render(renderer, "{{ raise_exception('Roles must alternate') }}")


def test_a_syntax_error_is_named(renderer: Renderer) -> None:
    with pytest.raises(TemplateRejected, match="TemplateSyntaxError"):
        render(renderer, "{% for %}")


def test_a_template_over_the_limit_is_refused_unread(renderer: Renderer) -> None:
    with pytest.raises(TemplateRejected, match="65537 bytes"):
        render(renderer, "x" * 65537)


def test_what_templates_rely_on_is_there(renderer: Renderer) -> None:
    template = (
        "{%- for m in messages %}\n"
        "    {% if m.role == 'tool' %}{% continue %}{% endif %}\n"
        "[{{ m.role }}]{% generation %}{{ m.content }}{% endgeneration %}{% break %}\n"
        "{%- endfor %}"
        "{{ {'a': 'é<'} | tojson }}{{ strftime_now('%Y')|length }}{{ namespace(x=1).x }}{{ none_such is defined }}"
    )
    assert render(renderer, template) == '[system]Be brief.{"a": "é<"}41False'


def test_blocks_leave_no_blank_lines(renderer: Renderer) -> None:
    assert render(renderer, "{% if true %}\n  {% set x = 1 %}\nx{{ x }}\n{% endif %}\n") == "x1\n"


def test_chatml_and_plain_fallbacks(renderer: Renderer) -> None:
    assert render(renderer, CHATML).endswith("<|im_start|>user\nHi <b>&<|im_end|>\n<|im_start|>assistant\n")
    assert render(renderer, PLAIN) == "System: Be brief.\n\nUser: Hi <b>&\n\nAssistant:"


def test_a_warm_render_takes_milliseconds(renderer: Renderer) -> None:
    render(renderer, CHATML)
    started = time.monotonic()
    for _ in range(20):
        render(renderer, CHATML)
    assert (time.monotonic() - started) / 20 < 0.25


def test_no_other_jinja_environment_exists_in_the_product() -> None:
    root = Path(edgellm.__file__).parent
    makers = re.compile(r"jinja2\.Template\(|(?<![A-Za-z])Environment\(|NativeEnvironment|from_string\(")
    found = {file.name for file in root.rglob("*.py") if makers.search(file.read_text("utf-8"))}
    assert found <= {"render_child.py"}
