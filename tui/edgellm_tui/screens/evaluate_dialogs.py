"""Before an evaluation: which suites, which model, against what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm_tui.errors import explain
from edgellm_tui.evaluations import EvalOffers, SuiteRow, WantedRun, asked_in_all, checked
from edgellm_tui.screens.dialog import Dialog
from edgellm_tui.widgets.fields import LineField, knob

FIELDS = ("on", "against", "judge")
HINTS = {"on": "", "against": "none: scores alone", "judge": "only where a suite asks for one"}


class SuiteList(OptionList):
    """Suites with a mark before those that are taken; space and a click take one or leave it out."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "take", show=False)]

    class Changed(Message):
        """Another choice was made."""

    def __init__(self, rows: Sequence[SuiteRow], taken: Sequence[str], *, id: str | None = None) -> None:
        """`taken`: paths."""
        self._rows, self._taken = rows, set(taken)
        super().__init__(*(Option(self._prompt(row)) for row in rows), id=id, compact=True)

    @property
    def taken(self) -> tuple[str, ...]:
        """Paths of the suites that are taken, in the list's order."""
        return tuple(row.suite.path for row in self._rows if row.suite.path in self._taken)

    def on_option_list_option_selected(self) -> None:
        """A click."""
        self.action_take()

    def action_take(self) -> None:
        """Take the highlighted suite, or leave it out."""
        if (index := self.highlighted) is not None:
            self._taken ^= {self._rows[index].suite.path}
            self.replace_option_prompt_at_index(index, self._prompt(self._rows[index]))
            self.post_message(self.Changed())

    def _prompt(self, row: SuiteRow) -> Content:
        is_taken = row.suite.path in self._taken
        what = clean_line(" ".join(row.suite.description.split()))
        line = Content.assemble(
            ("■ " if is_taken else "□ ", "$text-success" if is_taken else "$foreground 50%"),
            (f"{clean_line(row.name):<20} ", "bold"),
            (f"{row.questions:>4}  ", "$foreground 70%"),
            (what, "$foreground 55%"),
        )
        return line.truncate(66, ellipsis=True)


class NewEvaluation(Dialog[WantedRun]):
    """Suites to choose from above, who is asked below; the last line says how much it is."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "begin", priority=True)]
    KEYS = "Space takes a suite   Tab moves   Enter begins   Esc leaves it"

    def __init__(self, offers: EvalOffers, filled: WantedRun, trouble: EdgeLLMError | None = None) -> None:
        """`filled`: what stands in the form at first; `trouble`: why that was refused."""
        super().__init__("Ask a model")
        self._offers, self._filled, self._trouble = offers, filled, trouble
        self._told: WantedRun | None = filled if trouble else None
        """What the last line speaks of."""

    def compose_body(self) -> ComposeResult:
        """Suites, model, baseline, judge, how much it is."""
        yield SuiteList(self._offers.suites, self._filled.suites, id="new-suites")
        suggester = SuggestFromList(self._offers.models, case_sensitive=False)
        values = {"on": self._filled.on, "against": self._filled.against, "judge": self._filled.judge}
        for field, name in zip(FIELDS, ("Model", "Against", "Judge"), strict=True):
            line = LineField(
                values[field], placeholder=HINTS[field], suggester=suggester, id=f"new-{field}", compact=True
            )
            yield from knob(name, line)
        yield Static(id="knob-help", markup=False)

    def on_mount(self) -> None:
        """Say what was refused, or how much is asked."""
        self.query_one("#new-suites").focus()
        if self._trouble is not None:
            self._say(explain(self._trouble))
        self._estimate()

    @property
    def wanted(self) -> WantedRun:
        """What stands in the form."""
        values = {field: self.query_one(f"#new-{field}", Input).value.strip() for field in FIELDS}
        return WantedRun(suites=self.query_one(SuiteList).taken, **values)

    @on(SuiteList.Changed)
    @on(Input.Changed)
    def _estimate(self) -> None:
        wanted = self.wanted
        if wanted != self._told:
            self._told = wanted
            self._say(asked_in_all(self._offers.suites, wanted))

    def _say(self, text: str) -> None:
        self.query_one("#knob-help", Static).update(Content(text))

    def action_begin(self) -> None:
        """Answer with what was chosen, or say what is wrong with it."""
        try:
            self.dismiss(checked(self.wanted, self._offers.suites))
        except EdgeLLMError as error:
            self.query_one(f"#new-{error.facts.get('field', 'suites')}").focus()
            self._say(explain(error))
