"""FakeBackend: a toy language model with a simulated KV cache, for tests and for trying things out.

It writes readable nonsense, one byte a token, and every next token depends on a hash of all tokens its sequence
can see and of the adapter each was computed with: sharing, trimming or restoring the wrong cells changes
the text. Misuse that would end a real runtime raises `Misuse`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import msgspec

from edgellm.decoding import convert, from_msgpack
from edgellm.engine.backend import BackendInfo, OutOfCells, Sampled, Sampler, Span, StepAborted, check_biases
from edgellm.engine.config import EngineConfig
from edgellm.engine.fake_model import (
    BOS,
    EMBEDDING_SIZE,
    IM_END,
    SPECIAL_TEXTS,
    VOCABULARY_SIZE,
    FakeSampler,
    digest_of,
    logits_after,
    script_of,
    trace_of,
    unfinished,
    unit_vector,
)
from edgellm.errors import InvalidInput
from edgellm.sampling import check_sampling
from edgellm.types import Constraint, Sampling, TokenTrace

PATH = "fake:"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


class Misuse(AssertionError):
    """The caller broke the contract of `Backend`."""


class FakeOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can follow `fake:` in a model path, as `name=value` with commas between."""

    prefill_token_s: float = 0.0
    """Time that each prompt token takes."""
    decode_row_s: float = 0.0
    """Time that each decoded sequence takes."""
    hidden_cells: int = 0
    """Cells that are promised but missing."""
    can_share_prefix: bool = True
    tile_tokens: int = 1
    says: str = ""
    """What every answer without a constraint is, percent-encoded; empty: nonsense."""


@dataclass(slots=True, eq=False)
class _Cell:
    """One KV cell: a token, the adapter it was computed with, and what the model makes of everything up to it."""

    token: int
    adapter: str | None
    digest: bytes
    partial: bytes
    users: int = 1


class FakeBackend:
    """See `Backend` for the contract, and `FakeOptions` for what a path like `fake:decode_row_s=0.01` sets."""

    def __init__(self, config: EngineConfig) -> None:
        """Raises: InvalidInput when the path has unknown options."""
        self.options = _options(config.model_path)
        self.threads = config.threads or 1
        self.cells_used = 0
        """KV cells in use; shared ones count once."""
        self._cells = config.context_tokens - self.options.hidden_cells
        self._held: list[list[_Cell]] = [[] for _ in range(config.max_running + config.max_parked)]
        self._rows: list[list[_Cell]] = []
        self._samplers: set[FakeSampler] = set()
        self._adapters: Counter[str] = Counter()
        self._abort = threading.Event()
        self._is_closed = False
        self.info = BackendInfo(
            name="fake",
            architecture="fake",
            context_tokens=config.context_tokens,
            trained_context_tokens=config.context_tokens,
            max_sequences=len(self._held),
            vocabulary_size=VOCABULARY_SIZE,
            embedding_size=EMBEDDING_SIZE,
            has_bos=True,
            bos_text=SPECIAL_TEXTS[BOS - 256],
            eos_text=SPECIAL_TEXTS[IM_END - 256],
            chat_template=CHAT_TEMPLATE,
            can_share_prefix=self.options.can_share_prefix,
            tile_tokens=self.options.tile_tokens,
            state_bytes_per_token=3,
            device="cpu",
            fingerprint=digest_of("fake", config.kv_type).hex()[:32],
        )

    @property
    def open_samplers(self) -> int:
        """Samplers that were not closed yet."""
        return len(self._samplers)

    # text

    def tokenize(self, text: str, *, parse_special: bool, add_bos: bool) -> list[int]:
        """One token a byte."""
        tokens = [BOS] if add_bos else []
        while True:
            found = [(text.find(special), 256 + i) for i, special in enumerate(SPECIAL_TEXTS) if special in text]
            if not (parse_special and found):
                return [*tokens, *text.encode("utf-8", "replace")]
            at, token = min(found)
            tokens += [*text[:at].encode("utf-8", "replace"), token]
            text = text[at + len(SPECIAL_TEXTS[token - 256]) :]

    def piece(self, token: int) -> bytes:
        """The byte; nothing for special tokens."""
        return bytes([token]) if token < 256 else b""

    def is_end(self, token: int) -> bool:
        """Whether the token is `<|im_end|>`."""
        return token == IM_END

    # memory

    def share(self, source: int, target: int, end: int) -> None:
        """Use the same cells twice."""
        cells = self._held[source]
        _require(self.options.can_share_prefix, "this model's memory cannot be shared")
        _require(not self._held[target], f"sequence {target} is not empty")
        _require(0 < end <= len(cells), f"sequence {source} holds {len(cells)} positions, {end} were asked for")
        self._held[target] = cells[:end]
        for cell in cells[:end]:
            cell.users += 1

    def trim(self, sequence: int, start: int) -> None:
        """Cells that nobody uses any more are free."""
        cells = self._held[sequence]
        _require(start == 0 or self.options.can_share_prefix, "this model's memory cannot be cut at a position")
        _require(0 <= start <= len(cells), f"sequence {sequence} holds {len(cells)} positions, not {start}")
        for cell in cells[start:]:
            cell.users -= 1
            self.cells_used -= cell.users == 0
        del cells[start:]

    def save(self, sequence: int) -> bytes:
        """Tokens and adapters."""
        _require(bool(self._held[sequence]), f"sequence {sequence} is empty")
        cells = [(cell.token, cell.adapter) for cell in self._held[sequence]]
        return msgspec.msgpack.encode((self.info.fingerprint, cells))

    def restore(self, sequence: int, state: bytes) -> None:
        """New cells with the old contents."""
        _require(not self._held[sequence], f"sequence {sequence} is not empty")
        try:
            fingerprint, cells = from_msgpack(state, type=tuple[str, list[tuple[int, str | None]]])
        except msgspec.DecodeError as problem:
            raise InvalidInput(f"The state is damaged: {problem}.") from problem
        if fingerprint != self.info.fingerprint:
            raise InvalidInput("The state belongs to another model.")
        self._reserve(len(cells))
        for token, adapter in cells:
            self._append(sequence, token, adapter)

    # adapters

    def open_adapter(self, path: str) -> str:
        """The path itself; where there is such a file its content alone, so that no folder's name changes an answer."""
        file = Path(path)
        adapter = digest_of(file.read_bytes()).hex() if file.is_file() else path
        self._adapters[adapter] += 1
        return adapter

    def close_adapter(self, adapter: str) -> None:
        """One user fewer."""
        _require(self._adapters[adapter] > 0, f"adapter {adapter!r} is not open")
        self._adapters[adapter] -= 1

    # steps

    def run(self, spans: Sequence[Span], adapter: str | None) -> None:
        """Check the step, take its time, then fill its cells."""
        self._abort.clear()
        self._check(spans)
        _require(adapter is None or self._adapters[adapter] > 0, f"adapter {adapter!r} is not open")
        self._reserve(sum(len(span.tokens) for span in spans))
        self._take_time(spans)
        self._rows = []
        for span in spans:
            for token in span.tokens:
                self._append(span.sequence, token, adapter)
            self._rows.append(self._held[span.sequence][-span.outputs :] if span.outputs else [])

    def sample(self, span_index: int, sampler: Sampler) -> Sampled:
        """Draw from what the model expects after the span."""
        cells = self._rows[span_index]
        if not cells or not isinstance(sampler, FakeSampler) or sampler not in self._samplers:
            raise Misuse(f"span {span_index} did not ask for logits, or the sampler is not open")
        return sampler.draw(logits_after(cells[-1].digest, cells[-1].partial))

    def score(self, span_index: int, tokens: Sequence[int], alternatives: int) -> list[TokenTrace]:
        """Where each token stands in what the model expected."""
        cells = self._rows[span_index]
        _require(len(tokens) <= len(cells), f"span {span_index} has logits of {len(cells)} positions")
        logits = (logits_after(cell.digest, cell.partial) for cell in cells)
        return [trace_of(row, token, alternatives) for row, token in zip(logits, tokens, strict=False)]

    def open_sampler(
        self, sampling: Sampling, seed: int, constraint: Constraint | None, history: Sequence[int]
    ) -> Sampler:
        """Raises: InvalidInput, InvalidSchema."""
        check_sampling(sampling)
        check_biases(sampling, VOCABULARY_SIZE)
        script = unquote(self.options.says).encode() or None
        if constraint is not None:
            script = script_of(constraint, seed)
        sampler = FakeSampler(sampling, seed, script, history, on_close=self._close_sampler)
        self._samplers.add(sampler)
        return sampler

    def embed(self, inputs: Sequence[Sequence[int]]) -> list[list[float]]:
        """One vector an input. Raises: InvalidInput when one is empty."""
        if not all(inputs):
            raise InvalidInput("An empty text has no embedding.", hint="Leave empty texts out.")
        return [unit_vector(tokens) for tokens in inputs]

    def set_threads(self, threads: int) -> None:
        """Remember the number."""
        _require(threads >= 1, f"{threads} threads")
        self.threads = threads

    def abort(self) -> None:
        """End a step that is taking its time."""
        self._abort.set()

    def close(self) -> None:
        """Called once, after all samplers and adapters were closed."""
        _require(not self._is_closed, "closed twice")
        _require(not self._samplers, f"{len(self._samplers)} samplers are still open")
        _require(not any(self._adapters.values()), "adapters are still open")
        self._is_closed = True

    def _check(self, spans: Sequence[Span]) -> None:
        sequences = [span.sequence for span in spans]
        _require(bool(spans) and len(set(sequences)) == len(sequences), f"spans of sequences {sequences}")
        outputs = sum(span.outputs for span in spans)
        _require(outputs <= len(self._held), f"{outputs} positions want logits, {len(self._held)} may")
        for span in spans:
            held = len(self._held[span.sequence])
            _require(len(span.tokens) > 0, "a span is empty")
            _require(span.start == held, f"sequence {span.sequence} holds {held} positions, span at {span.start}")

    def _reserve(self, cells: int) -> None:
        free = self._cells - self.cells_used
        if cells > free:
            raise OutOfCells(f"{cells} cells are needed, {free} are free.")

    def _append(self, sequence: int, token: int, adapter: str | None) -> None:
        held = self._held[sequence]
        before, partial = (held[-1].digest, held[-1].partial) if held else (b"", b"")
        held.append(_Cell(token, adapter, digest_of(before, token, adapter), unfinished(partial, token)))
        self.cells_used += 1

    def _take_time(self, spans: Sequence[Span]) -> None:
        rows = sum(len(span.tokens) == 1 for span in spans)
        prefill_tokens = sum(len(span.tokens) for span in spans) - rows
        takes_s = rows * self.options.decode_row_s + prefill_tokens * self.options.prefill_token_s
        if takes_s > 0 and self._abort.wait(takes_s):
            raise StepAborted("The step was aborted.")

    def _close_sampler(self, sampler: FakeSampler) -> None:
        _require(sampler in self._samplers, "a sampler was closed twice")
        self._samplers.remove(sampler)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Misuse(otherwise)


def _options(path: str) -> FakeOptions:
    given = path.removeprefix(PATH)
    pairs = [pair.partition("=") for pair in given.split(",") if pair]
    try:
        return convert({name: value for name, _, value in pairs}, FakeOptions, strict=False)
    except msgspec.ValidationError as problem:
        known = ", ".join(FakeOptions.__struct_fields__)
        raise InvalidInput(f"The fake model's options {given!r}: {problem}.", hint=f"Known: {known}.") from problem
