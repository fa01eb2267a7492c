"""Before a training run: the form, and the plan."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from edgellm.errors import EdgeLLMError, InvalidInput
from edgellm.events import Failed, Finished, JobEvent, Progressed, Started
from edgellm.safetext import clean_line
from edgellm_tui.errors import explain, report
from edgellm_tui.new_run import PRESETS, Offers, Wanted, checked, meaning, name_for, plan_facts
from edgellm_tui.ports import Edge
from edgellm_tui.screens.dialog import Dialog
from edgellm_tui.screens.form import Form
from edgellm_tui.widgets.choice import ChoiceLine
from edgellm_tui.widgets.fields import LineField, knob
from edgellm_tui.wording import in_app

_HELP = {
    "run-data": "A file (JSONL, CSV, Parquet, Markdown, text) or a dataset: {datasets}.",
    "run-columns": "Which column is what: prompt=Question,completion=Answer. Left empty: by their names.",
    "run-base": "The model that learns; its file stays as it is.",
    "run-name": "What is learnt is an adapter; it is used as MODEL@NAME.",
    "run-preset": "{preset}",
}

_COLUMNS = "prompt=Question,completion=Answer"
_FIELDS = {"name": "run-name", "columns": "run-columns"}


class NewRun(Form[Wanted]):
    """What learns from what, and how long."""

    KEYS = "↑↓ move   ←→ choose   Enter shows the plan   Esc leaves it"
    HINTS = _HELP

    def __init__(self, offers: Offers, filled: Wanted | None = None, trouble: InvalidInput | None = None) -> None:
        """`filled`: what stands in the form at first; `trouble`: why the examples' columns have to be named."""
        super().__init__("A model learns from examples", trouble)
        self._offers = offers
        self._filled = filled or Wanted(data=offers.newest, base=offers.bases[0], name="", preset="balanced")

    def compose_body(self) -> ComposeResult:
        """Examples, model, name, effort."""
        names, filled = self._offers.datasets, self._filled
        suggester = SuggestFromList(names, case_sensitive=False)
        yield from knob("Examples", LineField(filled.data, suggester=suggester, id="run-data", compact=True))
        if self._trouble is not None or filled.columns:
            columns = LineField(filled.columns or "", placeholder=_COLUMNS, id="run-columns", compact=True)
            yield from knob("Columns", columns)
        yield from knob("Model", ChoiceLine(self._offers.bases, filled.base, id="run-base"))
        name = LineField(filled.name, placeholder=name_for(filled.data), id="run-name", compact=True)
        yield from knob("Name", name)
        yield from knob("Effort", ChoiceLine(PRESETS, filled.preset, id="run-preset"))
        yield Static(id="knob-help", markup=False)

    @on(Input.Changed, "#run-data")
    def _typed(self, event: Input.Changed) -> None:
        self.query_one("#run-name", Input).placeholder = name_for(event.value)

    def hint(self, name: str) -> str:
        """What a field is for, with what there is."""
        datasets = clean_line(", ".join(self._offers.datasets)) or "none yet"
        return super().hint(name).format(datasets=datasets, preset=meaning(self.value("run-preset")))

    @on(Input.Submitted)
    def action_done(self) -> None:
        """Answer with what was chosen, or say what is wrong with it."""
        data = self.value("run-data").strip()
        wanted = Wanted(
            data=data,
            base=self.value("run-base"),
            name=self.value("run-name").strip() or name_for(data),
            preset=self.value("run-preset"),
            columns=(self.value("run-columns").strip() or None) if self.query("#run-columns") else None,
        )
        try:
            self.dismiss(checked(wanted, self._offers))
        except EdgeLLMError as error:
            self.refuse(error)

    def refuse(self, error: EdgeLLMError, name: str = "") -> None:
        """Go to the field that the error is about."""
        super().refuse(error, name or _FIELDS.get(str(error.facts.get("field")), "run-data"))


class PlanDialog(Dialog[bool | InvalidInput]):
    """What the run would take, measured on a few steps; Enter begins it.

    Closes by itself, with what to say in the form, when nobody knows what the examples' columns are.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "begin"),
        Binding("escape", "leave"),
    ]
    KEYS = "Esc leaves it"

    def __init__(self, edge: Edge, wanted: Wanted) -> None:
        super().__init__(f"{wanted.base} learns {wanted.name}")
        self._edge, self._wanted = edge, wanted
        self._job_id = ""
        """Empty: there is no job yet, or it has ended."""
        self._is_planned = self._is_left = False
        self._doing = ""

    def compose_body(self) -> ComposeResult:
        """The plan as it comes."""
        yield Static(Content("Reading the examples …"), id="plan-text", markup=False)

    def on_mount(self) -> None:
        """Begin to plan."""
        self._planning = self._plan()

    @work
    async def _plan(self) -> None:
        wanted = self._wanted
        try:
            job = await self._edge.training.plan(wanted.data, wanted.base, wanted.settings, columns=wanted.columns)
            self._job_id = job.id
            if self._is_left:
                return  # whoever leaves ends the job
            async with aclosing(self._edge.jobs.follow(job.id)) as events:
                async for event in events:
                    self._note(event)
        except EdgeLLMError as error:
            if error.facts.get("remedy") == "columns" and not self._is_left:
                hint = "Type which is which: prompt=…,completion=…"
                self.dismiss(InvalidInput(error.message, hint=hint, field="columns"))
            else:
                self._say(Content.styled(report(error), "$text-error"))

    def _note(self, event: JobEvent) -> None:
        if isinstance(event, Started):
            self._doing = clean_line(event.title)
            self._say(Content(f"{self._doing} …"))
        elif isinstance(event, Progressed) and event.total:
            self._say(Content(f"{self._doing}: {event.done:.0f} of {event.total:.0f} …"))
        elif isinstance(event, Failed):
            self._job_id = ""
            self._say(Content.styled(in_app(event.message), "$text-error"))
        elif isinstance(event, Finished):
            self._job_id, self._is_planned = "", True
            self._say(_planned(event.result))
            self.query_one("#dialog-keys", Static).update(Content("Enter begins   Esc changes it"))

    def _say(self, text: Content) -> None:
        self.query_one("#plan-text", Static).update(text)

    def action_begin(self) -> None:
        """Answer yes, once the plan is known."""
        if self._is_planned:
            self.dismiss(True)

    @work
    async def action_leave(self) -> None:
        """Answer no; a plan on its way is given up."""
        self._is_left = True
        self._say(Content("Stopping …"))
        try:
            if not self._job_id:
                await self._planning.wait()  # until there is a job to be ended, or the plan has ended
            if self._job_id:
                await self._edge.jobs.cancel(self._job_id)
        except EdgeLLMError as error:
            self.notify(explain(error), severity="error", markup=False)
        self.dismiss(False)


def _planned(result: Mapping[str, Any]) -> Content:
    lines = [Content.assemble((f"{name:<10}", "$foreground 55%"), value) for name, value in plan_facts(result)]
    return Content("\n").join(lines)
