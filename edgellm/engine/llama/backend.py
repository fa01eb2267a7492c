"""LlamaBackend: the engine's contract on llama.cpp's low-level API.

llama.cpp ends the process on misuse (a batch that is too long, an output that was not asked for), so every argument is
checked here before it crosses over. `_held` mirrors how many positions each sequence holds.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgellm.engine.backend import BackendInfo, OutOfCells, Sampled, Sampler, Span, StepAborted, check_biases
from edgellm.engine.config import EngineConfig
from edgellm.engine.llama import library, opening, state
from edgellm.engine.llama.adapters import Adapters
from edgellm.engine.llama.batch import Batch
from edgellm.engine.llama.constraint import Grammars
from edgellm.engine.llama.embedding import Embedder
from edgellm.engine.llama.fingerprint import fingerprint
from edgellm.engine.llama.library import lib
from edgellm.engine.llama.samplers import Candidates, LlamaSampler, Logits, Sizes, require_finite
from edgellm.engine.llama.trace import trace
from edgellm.engine.llama.vocabulary import Vocabulary
from edgellm.errors import EngineError, InvalidInput, ModelLoadFailed
from edgellm.sampling import check_sampling
from edgellm.types import Constraint, Sampling, TokenTrace

_OUT_OF_CELLS, _ABORTED = 1, 2
"""llama_decode's results that are no failure."""


class LlamaBackend:
    """A GGUF model in one llama.cpp context; see `Backend` for the contract.

    Mode `generate` offers everything but `embed`; mode `embed` offers `embed`, `tokenize` and `piece` only.
    """

    def __init__(self, config: EngineConfig, on_progress: opening.Progress | None = None) -> None:
        """Open the file; `on_progress` gets 0 to 1 while weights are read. Raises: ModelLoadFailed, InvalidInput."""
        self._config = opening.checked(config)
        self._model = opening.load_model(config, on_progress)
        self._context: Any = None
        try:
            self._open_context()
        except BaseException:
            self.close()
            raise

    def _open_context(self) -> None:
        config, model = self._config, self._model
        is_embedder = config.mode == "embed"
        open_context = opening.open_embedding_context if is_embedder else opening.open_context
        self._context = open_context(model, config)
        self._memory = lib.llama_get_memory(self._context)
        if not is_embedder and (not self._memory or lib.llama_model_has_encoder(model)):
            raise ModelLoadFailed(
                f"{config.model_path!r} is an encoder: it does not write text.", hint="Open it in mode `embed`."
            )
        self._vocabulary = Vocabulary(model)
        self._architecture = _metadata(model, "general.architecture")
        self._fingerprint = fingerprint(config, self._architecture)
        self._embedder = Embedder(self._context, self._vocabulary.size) if is_embedder else None
        self._cells: int = self._embedder.limit_tokens if self._embedder else lib.llama_n_ctx(self._context)
        self._batch = Batch(lib.llama_n_batch(self._context), self._cells)
        self._held = [0] * (0 if is_embedder else lib.llama_n_seq_max(self._context))
        self._rows: dict[int, range] = {}
        self._buffer: tuple[int, int, Logits] | None = None
        self._abort_flag = ctypes.create_string_buffer(2)
        self._candidates = Candidates(self._vocabulary.size)
        self._grammars = Grammars(self._vocabulary)
        self._adapters = Adapters(model, self._context, self._architecture)
        self._cuttable = not (lib.llama_model_is_recurrent(model) or lib.llama_model_is_hybrid(model))
        state_bytes = 0 if is_embedder else self._try_out()
        self.info = self._describe(state_bytes)

    def _try_out(self) -> int:
        """Decode two tokens: weights are paged in, the model is known to compute, its memory is weighed and cut.

        Returns: bytes of saved state a position.
        """
        sizes = []
        for position in range(2):
            self.run([Span(0, position, [max(self._vocabulary.bos, 0)], wants_logits=True)], None)
            sizes.append(lib.llama_state_seq_get_size(self._context, 0))
        require_finite(self._logits(0).max())
        self._cuttable = self._cuttable and bool(lib.llama_memory_seq_rm(self._memory, 0, 1, -1))
        self.trim(0, 0)
        if self._cuttable:  # otherwise an aborted step could not be taken back
            opening.watch(self._context, self._abort_flag)
        return int(sizes[1] - sizes[0])

    def _describe(self, state_bytes_per_token: int) -> BackendInfo:
        model, vocabulary = self._model, self._vocabulary
        template = lib.llama_model_chat_template(model, None)
        device = library.device(opening.gpu_layers(self._config))
        return BackendInfo(
            name=_metadata(model, "general.name") or os.path.basename(self._config.model_path),
            architecture=self._architecture,
            context_tokens=self._cells,
            trained_context_tokens=lib.llama_model_n_ctx_train(model),
            max_sequences=len(self._held),
            vocabulary_size=vocabulary.size,
            embedding_size=lib.llama_model_n_embd_out(model),
            has_bos=vocabulary.adds_bos,
            bos_text=vocabulary.special_text(vocabulary.bos),
            eos_text=vocabulary.special_text(lib.llama_vocab_eos(vocabulary.handle)),
            chat_template=None if template is None else library.text(template),
            can_share_prefix=self._cuttable,
            state_bytes_per_token=state_bytes_per_token,
            device=device,
            fingerprint=self._fingerprint.hex(),
            threads=opening.compute_threads(self._config) if device == "cpu" else 0,
            tile_tokens=opening.CPU_TILE_TOKENS if device == "cpu" else 1,
        )

    # text

    def tokenize(self, text: str, *, parse_special: bool, add_bos: bool) -> list[int]:
        """Token ids of `text`. `add_bos` adds what the model wants around a text: BOS; CLS and SEP for embedders."""
        ids = self._vocabulary.tokenize(
            text, parse_special=parse_special, add_special=add_bos and self._embedder is not None
        )
        bos = [self._vocabulary.bos] if add_bos and self._embedder is None and self._vocabulary.adds_bos else []
        return bos + ids

    def piece(self, token: int) -> bytes:
        """The bytes of `token`; empty for control tokens."""
        return self._vocabulary.piece(token)

    def is_end(self, token: int) -> bool:
        """Whether `token` ends the model's turn."""
        return self._vocabulary.is_end(token)

    # adapters

    def open_adapter(self, path: str) -> str:
        """Load what the file holds now. Raises: InvalidInput."""
        return self._adapters.open(path)

    def close_adapter(self, adapter: str) -> None:
        """One user fewer; it may be freed."""
        self._adapters.close(adapter)

    # steps

    def run(self, spans: Sequence[Span], adapter: str | None) -> None:
        """One llama_decode over all spans. Raises: StepAborted, OutOfCells, InvalidInput, EngineError."""
        self._check(spans)
        self._adapters.use(adapter)
        self._rows = {}
        self._fill(spans)
        self._abort_flag[0] = b"\x00"
        library.forget_complaints()
        result = lib.llama_decode(self._context, self._batch.struct)
        if result == _OUT_OF_CELLS:
            raise OutOfCells(f"The KV cache has no room for {self._batch.struct.n_tokens} more tokens.")
        if result == _ABORTED or (result == 0 and self._cuttable and self._abort_flag[0] != b"\x00"):
            self._undo(spans)
            raise StepAborted("The step was aborted.")
        if result != 0:
            raise EngineError(f"llama.cpp could not decode (code {result}): {library.complaints()}", code=result)
        for span in spans:
            self._held[span.sequence] += len(span.tokens)
        self._note_rows(spans)

    def _check(self, spans: Sequence[Span]) -> None:
        sequences = [span.sequence for span in spans]
        if not spans or len(set(sequences)) < len(sequences):
            raise InvalidInput(f"A step has one span a sequence; these are {sequences}.", field="spans")
        if sum(len(span.tokens) for span in spans) > self._batch.capacity:
            raise InvalidInput(f"A step has at most {self._batch.capacity} tokens.", field="spans")
        if sum(span.outputs for span in spans) > len(self._held):  # llama.cpp would end the process
            raise InvalidInput(f"A step gives logits of at most {len(self._held)} positions.", field="spans")
        for span in spans:
            held = self._held_by(span.sequence)
            if span.start != held or not span.tokens:
                raise InvalidInput(
                    f"{len(span.tokens)} tokens at {span.start} do not continue the {held} of {span.sequence}.",
                    field="spans",
                )
            if held + len(span.tokens) > self._cells:
                raise OutOfCells(f"Sequence {span.sequence} would grow over the context.")

    def _fill(self, spans: Sequence[Span]) -> None:
        for span in spans:
            self._vocabulary.checked(min(span.tokens))
            self._vocabulary.checked(max(span.tokens))
        self._batch.fill((span.sequence, span.start, span.tokens) for span in spans)
        end = 0
        for span in spans:
            end += len(span.tokens)
            self._batch.want(end - span.outputs, end)

    def _note_rows(self, spans: Sequence[Span]) -> None:
        """llama.cpp keeps the rows of wanted outputs one after the other, in batch order."""
        rows = 0
        for index, span in enumerate(spans):
            if span.outputs:
                self._rows[index] = range(rows, rows + span.outputs)
                rows += span.outputs
        if rows:
            logits = lib.llama_get_logits(self._context)
            self._view = self._logits_at(ctypes.addressof(logits.contents), rows)

    def _logits_at(self, address: int, rows: int) -> Logits:
        """llama.cpp's buffer as an array; it rarely moves, and making one takes 50 microseconds of every step."""
        if self._buffer is None or self._buffer[:2] != (address, rows):
            floats = (ctypes.c_float * (rows * self._vocabulary.size)).from_address(address)
            self._buffer = address, rows, np.ctypeslib.as_array(floats).reshape(rows, -1)
        return self._buffer[2]

    def _undo(self, spans: Sequence[Span]) -> None:
        for span in spans:
            if not lib.llama_memory_seq_rm(self._memory, span.sequence, span.start, -1):
                raise EngineError(f"Sequence {span.sequence} could not be cut back to {span.start} positions.")

    def set_threads(self, threads: int) -> None:
        """Compute threads for both prefill and decode."""
        if threads < 1:
            raise InvalidInput(f"threads is {threads}; it must be at least 1.", field="threads", value=threads)
        lib.llama_set_n_threads(self._context, threads, threads)

    def abort(self) -> None:
        """Raise the flag that llama.cpp looks at between two operations of its graph."""
        self._abort_flag[0] = b"\x01"

    # sampling

    def open_sampler(
        self, sampling: Sampling, seed: int, constraint: Constraint | None, history: Sequence[int]
    ) -> Sampler:
        """A sampler for one answer. Raises: InvalidInput, InvalidSchema."""
        check_sampling(sampling)
        check_biases(sampling, self._vocabulary.size)
        rule = self._grammars.open(constraint) if constraint is not None else None
        sizes = Sizes(self._vocabulary.size, self._cells)
        return LlamaSampler(sampling, seed, rule, sizes, history)

    def sample(self, span_index: int, sampler: Sampler) -> Sampled:
        """Choose a token. Raises: EngineError for NaN logits, InvalidSchema when a grammar grows over its limits."""
        if not isinstance(sampler, LlamaSampler):
            raise InvalidInput(f"{type(sampler).__name__} is no sampler of this backend.", field="sampler")
        row = self._logits(span_index)
        token = sampler.choose(row, self._candidates)
        if sampler.alternatives is None:
            return Sampled(token)
        return Sampled(token, trace(row, token, sampler.alternatives, self._vocabulary.piece))

    def score(self, span_index: int, tokens: Sequence[int], alternatives: int) -> list[TokenTrace]:
        """Traces of tokens that follow the span's positions. Raises: EngineError for NaN logits, InvalidInput."""
        rows = self._all_logits(span_index)
        if len(tokens) > len(rows):
            raise InvalidInput(f"Span {span_index} has logits of {len(rows)} positions only.", field="tokens")
        traces = []
        for row, token in zip(rows, tokens, strict=False):
            require_finite(row.max())
            traces.append(trace(row, self._vocabulary.checked(token), alternatives, self._vocabulary.piece))
        return traces

    def _logits(self, span_index: int) -> Logits:
        """Logits after the span's last token: (vocabulary,)."""
        row: Logits = self._all_logits(span_index)[-1]
        return row

    def _all_logits(self, span_index: int) -> Logits:
        """Rows of the span's positions that wanted logits: (positions, vocabulary)."""
        rows = self._rows.get(span_index)
        if rows is None:
            raise InvalidInput(
                f"Span {span_index} of the last step has no logits.", field="span_index", value=span_index
            )
        view: Logits = self._view[rows.start : rows.stop]
        return view

    # memory

    def share(self, source: int, target: int, end: int) -> None:
        """Let `target` use the cells of `source` up to `end`."""
        held = self._held_by(source)
        if self._held_by(target) or not 0 < end <= held:
            raise InvalidInput(
                f"Cannot share {end} positions of sequence {source} (holds {held}) with sequence {target} "
                f"(holds {self._held[target]}).",
                field="end",
            )
        if not self._cuttable and end != held:
            raise InvalidInput("This model's memory can only be shared as a whole.", field="end", value=end)
        lib.llama_memory_seq_cp(self._memory, source, target, 0, end)
        self._held[target] = end

    def trim(self, sequence: int, start: int) -> None:
        """Forget positions from `start` on."""
        if not 0 <= start <= self._held_by(sequence):
            raise InvalidInput(
                f"Sequence {sequence} holds {self._held[sequence]} positions, not {start}.", field="start"
            )
        if start == self._held[sequence]:
            return
        if not lib.llama_memory_seq_rm(self._memory, sequence, start if start else -1, -1):
            raise InvalidInput("This model's memory cannot be cut at a position.", field="start", value=start)
        self._held[sequence] = start

    def save(self, sequence: int) -> bytes:
        """The state of a sequence, framed with its fingerprint and a checksum."""
        return state.save(self._context, sequence, self._held_by(sequence), self._fingerprint)

    def restore(self, sequence: int, state_bytes: bytes) -> None:
        """Fill an empty sequence. Raises: InvalidInput, OutOfCells."""
        if self._held_by(sequence):
            raise InvalidInput(f"Sequence {sequence} is not empty.", field="sequence", value=sequence)
        window = lib.llama_model_n_swa(self._model)
        self._held[sequence] = state.restore(self._context, sequence, state_bytes, self._fingerprint, window)

    def _held_by(self, sequence: int) -> int:
        if not 0 <= sequence < len(self._held):
            raise InvalidInput(
                f"Sequence {sequence} does not exist: ids are 0 to {len(self._held) - 1}.",
                field="sequence",
                value=sequence,
            )
        return self._held[sequence]

    # embeddings, end

    def embed(self, inputs: Sequence[Sequence[int]]) -> list[list[float]]:
        """One unit-length vector per token list. Raises: InvalidInput, ContextOverflow."""
        if self._embedder is None:
            raise InvalidInput("This model was opened for text generation, not for embeddings.", field="mode")
        return self._embedder.embed(inputs)

    def close(self) -> None:
        """Free the context, then the model (and its adapters). Closing again does nothing."""
        self._held, self._rows = [], {}  # whatever is called later finds no sequence and no logits
        if self._context is not None:
            lib.llama_free(self._context)
            self._context = None
        if self._model is not None:
            lib.llama_model_free(self._model)
            self._model = None


def _metadata(model: Any, key: str) -> str:
    buffer = ctypes.create_string_buffer(256)
    length = lib.llama_model_meta_val_str(model, key.encode(), buffer, len(buffer))
    return library.text(buffer.value) if length >= 0 else ""
