"""The verdict on an exported file, and the reference it is compared with."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from edgellm.engine.judge import Continuation, Judged
from edgellm.errors import JobError
from edgellm.export import verify
from edgellm.export.quantize import QUANTS
from edgellm.export.verify import Reference, source_divergence, verdict
from tests.unit.export.samples import comparison, continuation

PAIRS = [(continuation(1, 2, 3, 4), continuation(1, 2, 9)), (continuation(5), continuation(5, seconds=1.5))]


def test_a_close_file_passes_and_answers_are_compared_from_the_start() -> None:
    found = verdict(QUANTS["Q8_0"], comparison(0.019), True, PAIRS)
    assert found.passed
    assert [pair.same_beginning for pair in found.answers] == [0.5, 1.0]
    assert found.tokens_per_s == pytest.approx(3 / 0.5)


@pytest.mark.parametrize("kl", [0.021, float("nan")])
def test_a_file_too_far_away_fails_and_says_by_how_much(kl: float) -> None:
    found = verdict(QUANTS["Q8_0"], comparison(kl), True, PAIRS)
    assert not found.passed
    assert found.problems == [f"The mean KL divergence is {kl:.4f}; Q8_0 may have 0.02."]


def test_other_token_ids_fail_whatever_the_weights() -> None:
    found = verdict(QUANTS["Q8_0"], comparison(0.0), False, PAIRS)
    assert not found.passed
    assert "other token ids" in found.problems[0]


def test_empty_answers_are_the_same() -> None:
    found = verdict(QUANTS["F16"], comparison(0.0), True, [(continuation(), continuation(seconds=0.0))])
    assert found.answers[0].same_beginning == 1.0
    assert found.tokens_per_s == 0.0


class FakeJudge:
    """A model with five tokens; files whose name contains `bad` differ."""

    opened: ClassVar[list[str]] = []

    def __init__(self, path: str, adapter: str | None = None, context_tokens: int = 0) -> None:
        assert context_tokens > 0
        assert adapter in (None, "adapter.gguf")
        self.is_bad = "bad" in Path(path).name
        self.opened.append(path)
        template = "bad" if Path(path).name == "template.gguf" else "t"
        self.info = Judged(vocabulary=5, template=template, adds_bos=False, bos_text="", eos_text="")

    def tokenize(self, text: str, **_: Any) -> list[int]:
        return [ord(letter) % 5 for letter in text]

    def chunks(self, tokens: Sequence[int]) -> Iterator[np.ndarray]:
        for token in tokens:
            logits = np.zeros((1, 5), np.float32)
            logits[0, (token + self.is_bad) % 5] = 2
            yield (logits - np.log(np.exp(logits).sum())).astype(np.float32)

    def greedy(self, tokens: Sequence[int], most: int) -> Continuation:
        return continuation(*tokens[:most])

    def __enter__(self) -> FakeJudge:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class FakeRenderer:
    """The template's name before the last message."""

    def render(self, template: str, variables: Sequence[dict[str, Any]]) -> list[str]:
        return [template + str(each["messages"][-1]["content"]) for each in variables]

    def close(self) -> None:
        return None


@pytest.fixture
def reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reference]:
    monkeypatch.setattr(verify, "Judge", FakeJudge)
    monkeypatch.setattr(verify, "Renderer", FakeRenderer)
    (tmp_path / "full.gguf").write_bytes(b"x")
    with Reference(tmp_path / "full.gguf", [[1, 2, 3], [4, 0]], tmp_path) as reference:
        yield reference


def test_the_same_model_has_no_divergence_in_any_text(reference: Reference) -> None:
    found = reference.check(Path("same.gguf"), QUANTS["F16"])
    assert found.passed
    assert found.comparison.positions == 5
    assert found.comparison.kl_mean == 0
    assert found.comparison.top1 == 1


def test_another_model_fails(reference: Reference) -> None:
    found = reference.check(Path("bad.gguf"), QUANTS["Q2_K"])
    assert not found.passed
    assert found.comparison.top1 == 0
    assert found.comparison.ppl_candidate != found.comparison.ppl_reference


def test_another_template_fails(reference: Reference) -> None:
    found = reference.check(Path("template.gguf"), QUANTS["F16"])
    assert not found.same_prompt_tokens
    assert dataclasses.asdict(found.comparison)["kl_mean"] == 0


def test_the_reference_is_opened_once(reference: Reference) -> None:
    FakeJudge.opened.clear()
    reference.check(Path("a.gguf"), QUANTS["F16"])
    reference.check(Path("b.gguf"), QUANTS["F16"])
    assert FakeJudge.opened == ["a.gguf", "b.gguf"]


def test_a_source_that_answers_like_the_served_base_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "Judge", FakeJudge)
    assert source_divergence(Path("base.gguf"), Path("adapter.gguf"), Path("full.gguf"), [1, 2, 3]) == 0


def test_a_source_that_answers_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "Judge", FakeJudge)
    with pytest.raises(JobError, match=r"does not answer like 'base\.gguf'"):
        source_divergence(Path("base.gguf"), None, Path("bad.gguf"), [1, 2, 3])
