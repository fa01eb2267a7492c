"""What a model says while it learns: a question of its data, asked through llama.cpp at every checkpoint."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from edgellm.engine.judge import Judge
from edgellm.events import Sampled
from edgellm.gguf_header import read_header
from edgellm.train.rows import Probe

ANSWER_TOKENS = 32


class Sampler:
    """Asks the base with what a checkpoint holds. Each answer is that of the adapter as it would be served."""

    def __init__(self, base: Path, alpha: float, probe: Probe, start: Path | None = None) -> None:
        """`start`: weights of the adapter that goes on learning; None: a new one."""
        self._base, self._alpha, self._probe, self._start = base, alpha, probe, start

    def ask(self, step: int, weights: Path | None) -> Sampled:
        """The answer with a checkpoint's weights; None: before anything was learnt.

        Raises: errors of the process that runs llama.cpp, TrainingError, OSError.
        """
        weights = weights or self._start
        with TemporaryDirectory() as folder:
            adapter = None if weights is None else str(self._adapter(Path(folder), weights))
            with Judge(str(self._base), adapter, len(self._probe.tokens) + ANSWER_TOKENS + 8) as judge:
                answer = judge.greedy(self._probe.tokens, ANSWER_TOKENS)
        return Sampled(step=step, question=self._probe.question, text=answer.text.strip())

    def _adapter(self, folder: Path, weights: Path) -> Path:
        from edgellm.export.adapter_files import GGUF_FILE, read_learnt
        from edgellm.export.adapter_gguf import write_adapter_gguf

        write_adapter_gguf(folder / GGUF_FILE, read_learnt(weights, read_header(self._base), self._alpha))
        return folder / GGUF_FILE
