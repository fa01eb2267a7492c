"""What the chat page copies: a message, its code blocks one after the other, or one by its number."""

from __future__ import annotations

from abc import abstractmethod

from textual.widget import Widget

from edgellm_tui.turns import Turn


class ChatCopying(Widget):
    """Actions of the chat page; only the user's own key puts anything on the clipboard."""

    _copied: tuple[int, int] = (0, 0)
    """Key of the turn and number of the code block that was copied last."""

    @property
    @abstractmethod
    def target(self) -> Turn | None:
        """The message that actions are about."""

    @property
    @abstractmethod
    def target_answer(self) -> Turn | None:
        """The answer that actions are about."""

    def action_copy(self) -> None:
        """Copy the chosen message or the last answer."""
        if turn := self.target:
            self._copy(turn.text.source, "Message copied")

    def action_copy_code(self) -> None:
        """Copy the first code block; pressed again, the next one."""
        turn = self.target_answer
        blocks = turn.text.code_blocks() if turn else []
        if turn is None or not blocks:
            self.notify("There is no code block here", markup=False)
            return
        key, index = self._copied
        index = (index + 1) % len(blocks) if key == turn.key else 0
        self._copied = (turn.key, index)
        self._copy(blocks[index], f"Code block {index + 1} of {len(blocks)} copied")

    def _copy(self, text: str, told: str) -> None:
        self.app.copy_to_clipboard(text)
        self.notify(told, timeout=2, markup=False)

    def copy_block(self, number: str) -> None:
        """Copy a code block of the last answer by its number."""
        turn = self.target_answer
        blocks = turn.text.code_blocks() if turn else []
        if number.isdigit() and 1 <= int(number) <= len(blocks):
            self._copy(blocks[int(number) - 1], f"Code block {number} copied")
        else:
            self.notify(f"There are {len(blocks)} code blocks here", markup=False)
