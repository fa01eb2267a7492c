"""How many prompt tokens fit into a step's time, from measured steps."""

from __future__ import annotations

SMOOTHING = 0.2
"""Weight of the newest step in the running estimates."""
FIRST_PREFILL_TOKENS = 64
"""Prompt tokens in a step before anything was measured, and the least of one beside which nobody waits for a token.

A step costs something however little it reads, most of all where other programs take the cores. Were it cut to fit its
time at any price, a token would seem dearer with each cut, until the prompt is read eight tokens at a time.
"""
LEAST_PREFILL_TOKENS = 8
"""Every step reads at least this much, however slow: a prompt always advances."""


class Pace:
    """Running estimates of what a decode row and a prompt token cost, in seconds."""

    def __init__(
        self, *, batch_tokens: int, step_target_s: float, solo_step_target_s: float, tile_tokens: int = 1
    ) -> None:
        self.decode_row_s: float | None = None
        self.prefill_token_s: float | None = None
        self._batch_tokens = batch_tokens
        self._step_target_s = step_target_s
        self._solo_step_target_s = solo_step_target_s
        self._tile_tokens = tile_tokens

    def prefill_tokens(self, rows: int, *, is_anyone_decoding: bool) -> int:
        """Prompt tokens for a step that also decodes `rows` sequences.

        The step keeps near its target time, which is shorter while anyone waits for a next token.
        """
        room = self._batch_tokens - rows
        if self.prefill_token_s is None:
            return max(0, min(FIRST_PREFILL_TOKENS, room))
        target = self._step_target_s if is_anyone_decoding else self._solo_step_target_s
        left_s = target - rows * (self.decode_row_s or 0.0)
        affordable = int(left_s / self.prefill_token_s) if self.prefill_token_s > 0 else room
        least = LEAST_PREFILL_TOKENS if is_anyone_decoding else FIRST_PREFILL_TOKENS
        return max(0, min(max(self._whole_tiles(affordable), least), room))

    def note(self, rows: int, prefill_tokens: int, step_s: float) -> None:
        """A step with so many decode rows and prompt tokens took `step_s`."""
        if prefill_tokens == 0:
            self.decode_row_s = _smoothed(self.decode_row_s, step_s / rows)
            return
        rest_s = max(step_s - rows * (self.decode_row_s or 0.0), 0.0)
        if rows and self.decode_row_s is None:
            rest_s = step_s * prefill_tokens / (rows + prefill_tokens)
        self.prefill_token_s = _smoothed(self.prefill_token_s, rest_s / prefill_tokens)

    def _whole_tiles(self, tokens: int) -> int:
        """The nearest number of tokens in whole tiles; what is not half a tile stays as it is."""
        tile = self._tile_tokens
        return max(1, round(tokens / tile)) * tile if 2 * tokens >= tile else tokens


def _smoothed(estimate: float | None, measured: float) -> float:
    return measured if estimate is None else estimate + SMOOTHING * (measured - estimate)
