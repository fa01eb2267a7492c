"""Constrained output: llguidance matchers that say which tokens may come next.

A grammar that llguidance refuses, or that grows over its limits while text is written, is an `InvalidSchema` that says
why (`edgellm.engine.refusal`); nothing here can end the process.
"""

from __future__ import annotations

import ctypes
import time
from typing import Any, cast

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer
from numpy.typing import NDArray

from edgellm.engine.grammar import ANY_OBJECT, check_constraint
from edgellm.engine.llama.library import lib, logger
from edgellm.engine.llama.vocabulary import Vocabulary
from edgellm.engine.refusal import refused
from edgellm.types import Constraint

SPACES = " ?"
"""White space between JSON tokens. Unbounded white space lets a weak model write blanks for ever."""
_LIMITS = LLParserLimits(
    max_grammar_size=200_000,
    initial_lexer_fuel=1_000_000,
    step_lexer_fuel=200_000,
    step_max_items=50_000,
    max_items_in_row=2_000,
    max_lexer_states=50_000,
    verbose_errors=False,
)
"""What compiling and one step may cost; llguidance's units of work, about 50,000 a millisecond."""


class Rule:
    """One answer's position in its grammar."""

    def __init__(
        self, matcher: LLMatcher, constraint: Constraint, vocabulary_size: int, ends: NDArray[np.intp]
    ) -> None:
        self._matcher = matcher
        self._constraint = constraint
        self._ends = ends
        self._size = vocabulary_size
        self._words = np.zeros((vocabulary_size + 31) // 32, np.uint32)

    def allowed(self) -> NDArray[np.intp]:
        """Ids of the tokens that may come next; only end tokens once the text is complete."""
        if self._matcher.is_stopped() and not self._matcher.is_error():
            return self._ends
        self._matcher.unsafe_compute_mask_ptr(self._words.ctypes.data, self._words.nbytes)
        bits = np.unpackbits(self._words.view(np.uint8), count=self._size, bitorder="little")
        ids = np.flatnonzero(bits.view(np.bool_))  # over bools: eight times faster than over numbers
        if self._matcher.is_error() or not len(ids):
            raise refused(self._matcher.get_error() or "NoExtension", self._constraint)
        return ids

    def accept(self, token: int) -> None:
        """Move on by the token that was chosen from `allowed`."""
        if not self._matcher.is_stopped() and not self._matcher.consume_token(token):
            raise refused(self._matcher.get_error(), self._constraint)


class Grammars:
    """Compiles constraints for one vocabulary. llguidance's view of the vocabulary is built on first use."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._tokenizer: LLTokenizer | None = None
        self._ends = np.zeros(0, np.intp)
        self.build_s: float | None = None
        """How long the vocabulary took to build; None before the first constraint."""

    def open(self, constraint: Constraint) -> Rule:
        """A rule for one answer. Raises: InvalidSchema."""
        check_constraint(constraint, trusted=True)  # faces refuse strangers' raw grammars; here all were let in
        tokenizer = self._tokenizer or self._build()
        try:
            grammar = grammar_text(constraint)
            matcher = LLMatcher(tokenizer, grammar, log_level=0, limits=_LIMITS)
        except ValueError as error:  # llguidance's only error; its text is the reason
            raise refused(str(error), constraint) from error
        if matcher.is_error():
            raise refused(matcher.get_error(), constraint)
        return Rule(matcher, constraint, self._vocabulary.size, self._ends)

    def _build(self) -> LLTokenizer:
        started = time.perf_counter()
        ends = self._vocabulary.end_tokens()
        self._ends = np.array(ends, np.intp)
        from_llamacpp: Any = LLTokenizer.from_llamacpp  # type: ignore[attr-defined]  # missing in llguidance's stubs
        self._tokenizer = tokenizer = from_llamacpp(
            tokens=[self._vocabulary.marked_piece(token) for token in range(self._vocabulary.size)],
            vocab_ptr=self._vocabulary.handle,
            tokenize_fptr=ctypes.cast(lib.llama_tokenize, ctypes.c_void_p).value,
            eos_token=ends,
            slices=LLTokenizer.json_slices(),
        )
        self.build_s = time.perf_counter() - started
        logger.info("llguidance's vocabulary of %d tokens built in %.3f s", self._vocabulary.size, self.build_s)
        return cast(LLTokenizer, tokenizer)


def grammar_text(constraint: Constraint) -> str:
    """The constraint in llguidance's own form. Raises: ValueError."""
    if constraint.kind == "grammar":
        return str(LLMatcher.grammar_from_lark(constraint.text))
    schema = ANY_OBJECT if constraint.kind == "json_object" else constraint.text
    return str(
        LLMatcher.grammar_from_json_schema(
            schema, overrides={"whitespace_flexible": True, "whitespace_pattern": SPACES, "lenient": False}
        )
    )
