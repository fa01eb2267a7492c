"""Reports: what they hold, and that no answer becomes part of the page."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from edgellm.evals.outcome import compare_all, outcome
from edgellm.evals.report.html import POLICY, html_report
from edgellm.evals.report.markdown import markdown_report
from edgellm.evals.run import JudgeRecord, Run, SubjectRecord, SuiteRecord
from edgellm.evals.values import Result, Said
from tests.unit.evals.fakes import result

HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=y>\x1b[2J\u202e]]>--><!-- `|` ```"
ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "table", "tr", "th", "td", "ul", "li",
    "pre", "div", "b", "svg", "line", "circle", "text",
}  # fmt: skip


def a_run(text: str, baselines: int = 1) -> tuple[Run, list[dict[str, list[Result]]]]:
    """A run whose every text from outside is `text`."""

    def results(value: float) -> dict[str, list[Result]]:
        said = Said(text=text, other=text)
        return {"s": [result(value, text or "1", category=text, question=text, reason=text, said=said)] * 3}

    answers = [results(0.0), *(results(1.0) for _ in range(baselines))]
    names = [f"model {number} {text}" for number in range(baselines + 1)]
    compared = [
        one
        for number in range(baselines)
        for one in compare_all(answers[0], answers[number + 1], names[0], names[number + 1])
    ]
    run = Run(
        id="r1",
        created="2026-01-31T10:00:00+00:00",
        edgellm="0",
        suites=(SuiteRecord(name="s", version=text, description=text, path=text, sha256="0", cases=3),),
        subjects=tuple(SubjectRecord(name=name, target=text, identity="0" * 64) for name in names),
        judge=JudgeRecord(name=text, identity="0" * 64, prompts={"one": text}),
        outcomes=tuple(outcome("s", name, each["s"]) for name, each in zip(names, answers, strict=True)),
        comparisons=tuple(compared),
        not_measured=(text,),
    )
    return run, answers


class Reader(HTMLParser):
    """Every element of a page with its attributes, and all of its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def check_harmless(page: str) -> Reader:
    reader = read(page)
    assert {tag for tag, _ in reader.tags} <= ALLOWED
    for tag, attributes in reader.tags:
        assert not any(name.startswith("on") or name in ("src", "href") for name in attributes), tag
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", page)
    return reader


def test_answers_are_text_and_nothing_else() -> None:
    reader = check_harmless(html_report(*a_run(HOSTILE)))
    assert "<script>alert(1)</script>" in reader.text
    assert reader.text.count("onerror=y") >= 5


@given(st.text(max_size=40))
def test_no_text_becomes_part_of_the_page(text: str) -> None:
    plain = read(html_report(*a_run("plain")))
    found = check_harmless(html_report(*a_run(text)))
    assert {tag for tag, _ in found.tags} <= {tag for tag, _ in plain.tags}


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = html_report(*a_run("plain"))
    metas = [attributes for tag, attributes in read(page).tags if tag == "meta"]
    assert {"http-equiv": "Content-Security-Policy", "content": POLICY} in metas
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    assert "url(" not in page
    assert page.index("Content-Security-Policy") < page.index("<style")


def test_the_page_says_what_was_found() -> None:
    text = read(html_report(*a_run("plain"))).text
    for words in (
        "Evaluation of model 0 plain", "0.0 % (0.0 to", "100.0 % (", "Against the baseline", "no difference shown",
        "Worst regressions against model 1 plain", "What was not measured", "The judge", "-100.0 points",
    ):  # fmt: skip
        assert words in text, words


def test_without_a_baseline_the_worst_answers_are_shown() -> None:
    text = read(html_report(*a_run("plain", baselines=0))).text
    assert "Worst answers" in text
    assert "Against the baseline" not in text


def test_markdown_keeps_answers_within_their_block() -> None:
    text = markdown_report(*a_run(HOSTILE))
    fences = re.findall(r"^(`{3,})text$", text, re.MULTILINE)
    assert fences
    assert all(len(fence) > 3 for fence in fences), "longer than the fence within the answer"
    outside = re.sub(r"^(`{4,})text$.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert "<script>" not in outside
    assert "\\<script\\>" in outside
    assert "\x1b" not in text


def test_markdown_says_what_was_found() -> None:
    text = markdown_report(*a_run("plain"))
    assert "# Evaluation of model 0 plain" in text
    assert "no difference shown" in text
    assert "## What was not measured" in text


def test_markdown_leaves_nothing_out_without_a_word() -> None:
    """Of a pair that differs in a term both answers are shown, and of a long one how much is missing."""
    run, answers = a_run("plain")
    for by_suite in answers:
        by_suite["s"] = [replace(each, said=Said(text="x" * 1600, other="the second")) for each in by_suite["s"]]
    for text in (markdown_report(run, answers), read(html_report(run, answers)).text):
        assert "the second" in text
        assert "(100 more characters)" in text


def test_shares_are_shown_with_their_intervals() -> None:
    run, answers = a_run("plain")
    held = {"claims": 4.0, "unsupported": 1.0, "nats": -2.0, "tokens": 1.0}
    grounded = [result(1, str(at), measures=held) for at in range(6)]
    run = replace(run, outcomes=tuple(outcome("s", each.name, grounded) for each in run.subjects))
    for text in (markdown_report(run, answers), read(html_report(run, answers)).text):
        plain = text.replace("\\", "")
        assert "claims without support" in plain
        assert "25% (6 to 64)" in plain, "Wilson's of a quarter of six answers"
        assert "7.39" in plain
        assert "7.39 (" not in plain
