"""Forms of the server page: a new key, its secret, a server to be started."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm_tui.new_key import KEPT, ROLES, WantedKey, WantedServer
from edgellm_tui.screens.dialog import Dialog
from edgellm_tui.screens.form import Form
from edgellm_tui.widgets.choice import ChoiceLine
from edgellm_tui.widgets.fields import LineField, knob

KEY_NUMBERS = {
    "tokens_per_day": "Tokens/day",
    "tokens_per_minute": "Tokens/minute",
    "requests": "At once",
    "days": "Valid days",
}
_KEY_HELP = {
    "name": "Who will use it: a person or a program.",
    "role": "user: asks models. viewer: sees figures only. admin: manages, and may use everything.",
    "models": "Models and aliases that it may name, separated by commas. Empty: all.",
    "tokens_per_day": "Read and written ones together, from midnight on. Empty: no limit.",
    "tokens_per_minute": "Read and written ones together. Empty: no limit.",
    "requests": "Requests that may run or wait at one time. Empty: no limit.",
    "days": "After so many days it is no longer valid. Empty: it has no end.",
    "log": "full: answers are kept for feedback. content-free: numbers only, no text.",
}
_SERVER_HELP = {
    "host": "127.0.0.1 is for programs on this computer. 0.0.0.0 is for the network; that needs a key.",
    "port": "A number up to 65535; 0 takes one that is free.",
    "model": "Opened at once: MODEL, MODEL@ADAPTER or an alias; clients may name others. Empty: the default model.",
}


class NewKeyForm(Form[WantedKey]):
    """Name, role, models, limits, days."""

    KEYS = "↑↓ move   ←→ choose   Enter makes it   Esc leaves it"
    HINTS = _KEY_HELP

    def __init__(self, wanted: WantedKey, trouble: EdgeLLMError | None = None) -> None:
        super().__init__("A new key", trouble)
        self._wanted = wanted

    def compose_body(self) -> ComposeResult:
        """A line a field."""
        wanted = self._wanted
        yield from knob("Name", LineField(wanted.name, id="name", compact=True))
        yield from knob("Role", ChoiceLine(ROLES, wanted.role, id="role"))
        yield from knob("Models", LineField(wanted.models, placeholder="all", id="models", compact=True))
        for name, title in KEY_NUMBERS.items():
            hint = "no end" if name == "days" else "no limit"
            field = LineField(wanted.numbers.get(name, ""), placeholder=hint, id=name, compact=True)
            yield from knob(title, field)
        yield from knob("Keeps", ChoiceLine(KEPT, wanted.log, id="log"))
        yield Static(id="knob-help", markup=False)

    @on(Input.Submitted)
    def action_done(self) -> None:
        """Answer with what was filled in, or say what is wrong with it."""
        wanted = WantedKey(
            name=self.value("name").strip(),
            role=self.value("role"),
            models=self.value("models"),
            numbers={name: self.value(name) for name in KEY_NUMBERS},
            log=self.value("log"),
        )
        try:
            wanted.check()
        except EdgeLLMError as error:
            self.refuse(error)
        else:
            self.dismiss(wanted)


class SecretDialog(Dialog[None]):
    """A new key's secret, this once. Enter does nothing: it may still come from the form before."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("c,y", "copy")]
    KEYS = "c copies it   Esc closes: it is not shown again"

    def __init__(self, name: str, secret: str, absent: Sequence[str] = ()) -> None:
        """`absent`: what the key names and is not on this machine."""
        super().__init__(f"The key of {name}")
        self._secret, self._absent = secret, absent

    def compose_body(self) -> ComposeResult:
        """The secret, and how it is used."""
        yield Static(Content.styled(self._secret, "bold $text-accent"), id="secret", markup=False)
        use = "Clients send it as their API key (Authorization: Bearer, or x-api-key). Only its hash is kept here."
        yield Static(Content(use), id="secret-use", markup=False)
        if self._absent:
            names = clean_line(", ".join(self._absent))
            words = f"Not on this machine, so that nothing is allowed by it yet: {names}."
            yield Static(Content.styled(words, "$text-warning"), id="secret-absent", markup=False)

    def action_copy(self) -> None:
        """Copy the secret."""
        self.app.copy_to_clipboard(self._secret)
        self.query_one("#dialog-keys", Static).update(Content("Copied   Esc closes: it is not shown again"))


class StartForm(Form[WantedServer]):
    """Address, port, model."""

    KEYS = "↑↓ move   Enter starts it   Esc leaves it"
    HINTS = _SERVER_HELP

    def __init__(self, wanted: WantedServer, models: Sequence[str], *, has_key: bool) -> None:
        super().__init__("A server for other programs")
        self._wanted, self._models, self._has_key = wanted, models, has_key

    def compose_body(self) -> ComposeResult:
        """A line a field."""
        wanted = self._wanted
        suggester = SuggestFromList(self._models, case_sensitive=False)
        model = LineField(wanted.model, placeholder="the default", suggester=suggester, id="model", compact=True)
        yield from knob("Address", LineField(wanted.host, id="host", compact=True))
        yield from knob("Port", LineField(wanted.port, id="port", compact=True))
        yield from knob("Model", model)
        yield Static(id="knob-help", markup=False)

    @on(Input.Submitted)
    def action_done(self) -> None:
        """Answer with what was filled in, or say what is wrong with it."""
        wanted = WantedServer(self.value("host"), self.value("port"), self.value("model"))
        try:
            wanted.options(has_key=self._has_key)
        except EdgeLLMError as error:
            self.refuse(error)
        else:
            self.dismiss(wanted)
