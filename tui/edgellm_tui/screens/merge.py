"""Items of the review queue that ask much the same, and which of them one shall stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from edgellm_tui.render.queue import alike_content
from edgellm_tui.screens.dialog import Dialog

if TYPE_CHECKING:
    from edgellm.store import ReviewItem

ALONE = "Space takes what is to be merged with the first one"


class MergeDialog(Dialog[tuple[str, ...]]):
    """Answers with the ids that are merged; one that is answered otherwise is merged only when somebody takes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,m", "merge", priority=True),
        Binding("space", "take"),
        Binding("q,n", "dismiss(None)"),
    ]
    KEYS = "Space takes one or leaves it out   Enter merges   Esc leaves it"

    def __init__(self, title: str, items: Sequence[ReviewItem], leader: str) -> None:
        """`leader`: id of the one that stays."""
        super().__init__(title)
        self._items = sorted(items, key=lambda each: each.id != leader)
        self._taken = {each.id for each in self._items if not _is_answered_otherwise(each, self._items[0])}

    def compose_body(self) -> ComposeResult:
        """The items, the one that stays first."""
        yield OptionList(*(Option(self._prompt(item)) for item in self._items), id="dialog-list", compact=True)

    def _prompt(self, item: ReviewItem) -> Content:
        first = self._items[0]
        is_other = _is_answered_otherwise(item, first)
        return alike_content(item, is_taken=item.id in self._taken, stays=item is first, is_other=is_other)

    def on_option_list_option_selected(self) -> None:
        """A click."""
        self.action_take()

    def action_take(self) -> None:
        """Take the highlighted item, or leave it out; the first one stays in any case."""
        found = self.query_one(OptionList)
        if (index := found.highlighted) is not None and index > 0:
            self._taken ^= {self._items[index].id}
            found.replace_option_prompt_at_index(index, self._prompt(self._items[index]))

    def action_merge(self) -> None:
        """Answer with what is taken."""
        if len(self._taken) > 1:
            self.dismiss(tuple(item.id for item in self._items if item.id in self._taken))
        else:
            self.notify(ALONE, markup=False)


def _is_answered_otherwise(item: ReviewItem, other: ReviewItem) -> bool:
    """Whether both were answered, with different words: merging them would lose an answer."""
    said, before = _words(item), _words(other)
    return bool(said and before and said != before)


def _words(item: ReviewItem) -> str:
    return " ".join((item.wanted or "").casefold().split())
