"""Proof that an exported file is the model it was made from: token ids, distributions, answers, speed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgellm.engine.judge import Comparison, Continuation, Judge, Judged, compare
from edgellm.engine.template import PLAIN, Renderer
from edgellm.errors import JobError, TemplateRejected
from edgellm.export.manifest import Answers, Verification
from edgellm.export.quantize import Quant

Turns = Sequence[dict[str, str]]
CONVERSATIONS: Sequence[Turns] = (
    ({"role": "user", "content": "What is a lighthouse for?"},),
    ({"role": "user", "content": "Name three colours."},),
    (
        {"role": "user", "content": "Hello! My name is Asha."},
        {"role": "assistant", "content": "Hello Asha. How can I help?"},
        {"role": "user", "content": "Explain in two sentences why the sky is blue.\n\n- no formulas\n- 100 % clear"},
    ),
)
"""Rendered with the file's own template; the answers to them are compared too."""
ANSWER_TOKENS = 24
CONTEXT_TOKENS = 1024
SOURCE_TOLERANCE = 0.02
"""Between a quantized base as it is served and its dequantized weights: llama.cpp rounds activations to 8 bits for the
one and not for the other. Measured 0.003 to 0.006 on the starter as Q8_0, Q4_1, Q4_0, Q3_K_M and Q2_K; wrongly ordered
rows make 0.04 and more."""


class Reference:
    """What the full-precision file says, measured once: its process is gone before the first candidate is opened."""

    def __init__(self, path: Path, texts: Sequence[Sequence[int]], folder: Path, adapter: Path | None = None) -> None:
        """`texts`: held-out token ids. Log-probabilities wait in a file in `folder`, four bytes a number.

        adapter: a GGUF adapter that belongs to what is measured.
        """
        self.texts = texts
        self.size_bytes = path.stat().st_size
        self._renderer = Renderer()
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed in close
        try:
            with _opened(path, adapter) as judge:
                self.info = judge.info
                self.conversations = conversations(judge.info, self._renderer)
                self.prompts = prompts(judge, self._renderer)
                self.answers = [judge.greedy(prompt, ANSWER_TOKENS) for prompt in self.prompts]
                self._shape = [self._record(judge, text) for text in texts]
        except BaseException:
            self.close()
            raise

    def chunks(self, tokens: Sequence[int]) -> Iterator[NDArray[np.float32]]:
        """The recorded log-probabilities of one of the texts, as `judge.Source` says."""
        number = next(number for number, text in enumerate(self.texts) if text is tokens)
        offset = sum(sum(rows) for rows in self._shape[:number])
        for rows in self._shape[number]:
            yield self._rows(offset, rows)
            offset += rows

    def check(self, path: Path, quant: Quant, adapter: Path | None = None) -> Verification:
        """Measure a candidate made from the reference, with its adapter. Raises: ModelLoadFailed, WorkerDied."""
        with _opened(path, adapter) as judge:
            comparison = compare(self, judge, self.texts)
            same_prompts = prompts(judge, self._renderer) == self.prompts
            answers = [judge.greedy(prompt, ANSWER_TOKENS) for prompt in self.prompts]
        return verdict(quant, comparison, same_prompts, list(zip(self.answers, answers, strict=True)))

    def close(self) -> None:
        """End the process that renders, free the disk."""
        self._renderer.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _record(self, judge: Judge, text: Sequence[int]) -> list[int]:
        rows = []
        for piece in judge.chunks(text):
            self._file.write(memoryview(piece).cast("B"))  # type: ignore[arg-type]
            rows.append(len(piece))
        self._file.flush()
        return rows

    def _rows(self, at: int, rows: int) -> NDArray[np.float32]:
        width = self.info.vocabulary
        raw = os.pread(self._file.fileno(), 4 * rows * width, 4 * at * width)
        return np.frombuffer(raw, np.float32).reshape(rows, width)


def source_divergence(base: Path, adapter: Path | None, full: Path, text: Sequence[int]) -> float:
    """Mean KL divergence from the base, as it is served with the adapter attached, to the file made of both.

    Raises: JobError when they are not the same model.
    """
    with _opened(base, adapter) as served, _opened(full) as made:
        found = compare(served, made, [text]).kl_mean
    if not found <= SOURCE_TOLERANCE:
        raise JobError(
            f"The full-precision file does not answer like {str(base)!r}: the mean KL divergence is {found:.4f}, at "
            f"most {SOURCE_TOLERANCE} is allowed. Nothing was exported.",
            hint="This is a defect in EdgeLLM or a type of weights that is read wrongly here.",
        )
    return found


def _opened(path: Path, adapter: Path | None = None) -> Judge:
    return Judge(str(path), str(adapter) if adapter else None, CONTEXT_TOKENS)


def reference_bytes(texts: Sequence[Sequence[int]], vocabulary: int) -> int:
    """Disk space that a `Reference` takes."""
    return 4 * vocabulary * sum(map(len, texts))


def prompts(judge: Judge, renderer: Renderer) -> list[list[int]]:
    """Token ids of each conversation, rendered with the file's own template."""
    return [
        judge.tokenize(text, parse_special=True, add_special=adds_special)
        for text, adds_special in conversations(judge.info, renderer)
    ]


def conversations(info: Judged, renderer: Renderer) -> list[tuple[str, bool]]:
    """Each conversation as text, and whether its tokens need what the model expects around a text."""
    texts = [_rendered(info, turns, renderer) for turns in CONVERSATIONS]
    return [(text, info.adds_bos and not text.startswith(info.bos_text)) for text in texts]


def _rendered(info: Judged, turns: Turns, renderer: Renderer) -> str:
    """With the file's template; with a plain one where it has none or it does not take such conversations."""
    variables: dict[str, Any] = {
        "messages": list(turns),
        "add_generation_prompt": True,
        "tools": None,
        "bos_token": info.bos_text,
        "eos_token": info.eos_text,
    }
    if info.template:
        with suppress(TemplateRejected):
            return renderer.render(info.template, [variables])[0]
    return renderer.render(PLAIN, [variables])[0]


def verdict(
    quant: Quant, comparison: Comparison, same_prompts: bool, pairs: Sequence[tuple[Continuation, Continuation]]
) -> Verification:
    """Judge what was measured: token ids must be equal, and the mean KL divergence within the tolerance."""
    problems = []
    if not same_prompts:
        problems.append("The chat template renders other token ids than the source's.")
    if not comparison.kl_mean <= quant.tolerance:  # also when it is no number
        problems.append(f"The mean KL divergence is {comparison.kl_mean:.4f}; {quant.name} may have {quant.tolerance}.")
    speeds = [len(candidate.tokens) / candidate.write_s for _, candidate in pairs if candidate.tokens]
    return Verification(
        passed=not problems,
        problems=problems,
        tolerance_kl=quant.tolerance,
        same_prompt_tokens=same_prompts,
        comparison=comparison,
        answers=[_answers(*pair) for pair in pairs],
        tokens_per_s=max(speeds, default=0.0),
    )


def _answers(reference: Continuation, candidate: Continuation) -> Answers:
    same = 0
    while same < min(len(reference.tokens), len(candidate.tokens)) and reference.tokens[same] == candidate.tokens[same]:
        same += 1
    longest = max(len(reference.tokens), len(candidate.tokens))
    return Answers(
        reference=reference.text,
        candidate=candidate.text,
        same_beginning=same / longest if longest else 1.0,
    )
