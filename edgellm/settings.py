"""One settings tree: file < environment < explicit values; unknown keys are refused with a suggestion.

The file is TOML (`Home.settings`). A key `sampling.top_p` stands in table `[sampling]`; its variable is
`EDGELLM_SAMPLING_TOP_P`. The usual variables of the Hugging Face tools count too, below EdgeLLM's own.
"""

from __future__ import annotations

import ast
import errno
import functools
import inspect
import itertools
import os
import re
import textwrap
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edgellm.app_names import ACTIONS, THEMES, is_key
from edgellm.decoding import convert
from edgellm.errors import DiskFull, InvalidInput, InvalidSettings
from edgellm.file_lock import locked
from edgellm.paths import Home, write_private
from edgellm.sampling import check_sampling
from edgellm.toml_edit import CannotEdit, with_value
from edgellm.types import Sampling

PREFIX = "EDGELLM_"
SERVER_TOKEN = "EDGELLM_SERVER_TOKEN"
"""Variable in which a server is told an administrator's token by the program that starts it."""
REMOTE_KEY = "EDGELLM_API_KEY"
"""Variable with the key for servers that an evaluation asks."""
NOT_SETTINGS = frozenset({"EDGELLM_HOME", "EDGELLM_CMAKE_ARGS", SERVER_TOKEN, REMOTE_KEY})
"""Variables with our prefix that other parts read."""
FOREIGN_VARIABLES = {"HF_HUB_OFFLINE": "offline", "TRANSFORMERS_OFFLINE": "offline", "HF_ENDPOINT": "hub_endpoint"}

MOST = 2**31 - 1
"""llama.cpp counts in 32 bits."""
MOST_THREADS = 512
"""ggml crashes with thousands; its GGML_MAX_N_THREADS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a user can choose once for all commands and screens."""

    default_model: Annotated[str, Meta(min_length=1)] = "starter"
    """Model that answers when none is named: an installed name, `starter`, or a path to a .gguf file."""
    default_embedder: str = ""
    """Model that turns text into vectors when none is named; empty names none."""
    reranker: str = ""
    """Folder of a cross-encoder that sentence-transformers saved; it puts what a search in documents finds in order.
    Empty names none."""
    system_prompt: str = ""
    """Instruction at the beginning of every new chat; empty sends none."""
    sampling: Sampling = field(default_factory=Sampling)
    """How the next token is chosen, unless a request says otherwise."""
    offline: bool = False
    """Never use the network, not even to look a name up."""
    hub_endpoint: Annotated[str, Meta(pattern="^https?://")] = "https://huggingface.co"
    """Address of the model hub or of a mirror that speaks its protocol."""

    context_tokens: Annotated[int, Meta(ge=256, le=MOST)] | None = None
    """Tokens a model can look back on, shared by its conversations, cut to what it was trained for; without a value,
    what fits the memory."""
    memory_share: Annotated[float, Meta(gt=0, le=1)] = 0.8
    """Share of the machine's available memory that loaded models may use together (above 0 to 1)."""
    threads: Annotated[int, Meta(ge=1, le=MOST_THREADS)] | None = None
    """Compute threads of a worker; without a value, chosen by measurement."""
    gpu_layers: Annotated[int, Meta(ge=0, le=MOST)] | None = None
    """Model layers on the GPU; without a value, all of them where there is a GPU."""
    kv_type: Literal["f16", "q8_0"] = "f16"
    """Number format of the KV cache; q8_0 halves its memory at a small loss of precision."""

    feedback_days: Annotated[int, Meta(ge=1, le=36_500)] = 90
    """Days for which a server keeps its answers, so that feedback can refer to them; then they are deleted, ratings and
    corrections with them."""
    kwh_price: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None
    """Price of a kilowatt-hour, in any currency: `edgellm usage` works out costs with it, where the machine reports its
    power. Without a value, no costs are shown."""

    theme: Annotated[str, Meta(min_length=1)] = "auto"
    """Colours of the app: `auto` follows the terminal, otherwise a theme's name."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Key bindings of the app: action to keys, several separated by commas."""
    prompts: Mapping[str, str] = field(default_factory=dict)
    """Library of system prompts: name to text."""


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """What a manual, a help text or a settings screen says about one setting."""

    key: str
    type: str
    default: Any
    """None for an entry of a table, which is not there unless it was set."""
    help: str
    variable: str
    """Environment variable that overrides it."""


def load_settings(home: Home, environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings in force.

    `home.settings` may be missing; `overrides` are keys like `sampling.top_p` with values of their type, and win.
    Raises: InvalidSettings with facts `field` (the key) and `source` (file, variable or `override`).
    """
    values: dict[str, Any] = {}
    for key, value in _from_file(home.settings).items():
        values[key] = _checked(key, value, str(home.settings))
    for variable, key, text in _from_environment(environment):
        values[key] = parse_setting(key, text, variable)
    for key, value in (overrides or {}).items():
        values[_known(key, "override")] = _checked(key, value, "override")
    sampling = {key.removeprefix("sampling."): values.pop(key) for key in list(values) if key.startswith("sampling.")}
    return Settings(sampling=Sampling(**sampling), **values)


def parse_setting(key: str, text: str, source: str) -> Any:
    """The value that `text` stands for, as in an environment variable: plain for texts, otherwise TOML's notation.

    One entry of a table is a key too (`prompts.Translator`). Raises: InvalidSettings that names `source`.
    """
    return _checked(key, _parsed(key, text, source), source)


def save_setting(home: Home, key: str, value: Any) -> None:
    """Write one value into the user's file; everything else in it, comments included, stays.

    One entry of a table is a key too (`prompts.Translator`). A value of None removes the key.
    Raises: InvalidSettings, also for a theme, an action or a key of the app that does not exist; DiskFull.
    """
    path = home.settings
    _kind(key, str(path))
    if value is not None:
        _check_names(key, _checked(key, value, str(path)))
    target = Path(os.path.realpath(path))  # a link stays a link
    try:
        with locked(target.with_name(f".{target.name}.lock")):  # another process may save a setting of its own now
            write_private(target, _edited(path, key, value))
    except OSError as error:
        message = f"The settings file {path} cannot be written: {error.strerror}."
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(message, hint="Free some space, then try again.", path=str(path)) from error
        raise InvalidSettings(message, field=key, source=str(path)) from error


def _edited(path: Path, key: str, value: Any) -> bytes:
    """The file's content with one value changed. Raises: InvalidSettings, also when the file has an error."""
    _from_file(path)
    try:
        return with_value(_read(path), tuple(key.split(".", 1)), value).encode()
    except UnicodeEncodeError as error:
        raise _wrong(key, value, str(path), "it holds bytes that are no UTF-8") from error
    except CannotEdit as error:
        message = f"{key} cannot be changed in {path}: its form there is too unusual to edit safely."
        raise InvalidSettings(message, hint=f"By hand: {error}", field=key, source=str(path)) from error


def describe() -> list[SettingInfo]:
    """Every setting in the tree's order; the help is the docstring beneath its field."""
    return [explain(key) for key in _leaves()]


def explain(key: str) -> SettingInfo:
    """One setting, or one entry of a table (`prompts.Translator`). Raises: InvalidSettings."""
    kind = _kind(key, "")
    owner, name, _ = _leaves()[_setting_of(key)]
    defaults = Settings().sampling if owner is Sampling else Settings()
    default = getattr(defaults, name) if key in _leaves() else None
    return SettingInfo(key, _type_name(kind), default, field_help(owner)[name], _variable(_setting_of(key)))


def field_help(owner: type) -> dict[str, str]:
    """The docstring beneath each field of a dataclass, by field name."""
    body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for statement, following in itertools.pairwise(body.body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            match following:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    found[statement.target.id] = inspect.cleandoc(text)
    return found


@functools.cache
def _leaves() -> dict[str, tuple[type, str, Any]]:
    """Every key with the dataclass that owns it, its field name and its type."""
    found: dict[str, tuple[type, str, Any]] = {}
    for name, hint in typing.get_type_hints(Settings, include_extras=True).items():
        if is_dataclass(hint):
            for inner, inner_hint in typing.get_type_hints(hint, include_extras=True).items():
                found[f"{name}.{inner}"] = (hint, inner, inner_hint)  # type: ignore[assignment]
        else:
            found[name] = (Settings, name, hint)
    return found


def _variable(key: str) -> str:
    return PREFIX + key.replace(".", "_").upper()


def _from_file(path: Path) -> dict[str, Any]:
    """Keys with dots to values; tables that are settings themselves (`keys`, `prompts`) stay whole."""
    try:
        tree = tomllib.loads(_read(path))
    except tomllib.TOMLDecodeError as error:
        message = f"The settings file {path} is not valid TOML: {error}."
        raise InvalidSettings(message, hint="Correct that line.", source=str(path)) from error
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict) and any(key.startswith(f"{name}.") for key in _leaves()):
            found.update({_known(f"{name}.{inner}", str(path)): inner_value for inner, inner_value in value.items()})
        else:
            found[_known(name, str(path))] = value
    return found


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return ""
    except OSError as error:
        message = f"The settings file {path} cannot be read: {error.strerror}."
        hint = "EdgeLLM's home must be a folder." if isinstance(error, NotADirectoryError) else ""
        raise InvalidSettings(message, hint=hint, source=str(path)) from error
    except UnicodeDecodeError as error:
        message = f"The settings file {path} is not UTF-8 text (byte {error.start})."
        raise InvalidSettings(message, hint="Save it as UTF-8.", source=str(path)) from error


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(variable, key, text) in rising precedence."""
    ours = {_variable(key): key for key in _leaves()}
    found = [(name, key, environment[name]) for name, key in FOREIGN_VARIABLES.items() if environment.get(name)]
    for name in sorted(environment):
        if name in ours:
            found.append((name, ours[name], environment[name]))
        elif name.startswith(PREFIX) and name not in NOT_SETTINGS:
            hint = _nearest(name, [*ours, *NOT_SETTINGS])
            message = f"The environment variable {name} is no setting of EdgeLLM."
            raise InvalidSettings(message, hint=hint, field=name, source=name)
    return found


def _setting_of(key: str) -> str:
    """The setting that holds `key`, which may be an entry of a table."""
    name, _, entry = key.partition(".")
    return name if entry and name in _leaves() and typing.get_origin(_leaves()[name][2]) is Mapping else key


def _kind(key: str, source: str) -> Any:
    """The type of a setting or of a table's entries. Raises: InvalidSettings."""
    setting = _setting_of(key)
    hint = _leaves()[_known(setting, source)][2]
    return hint if setting == key else typing.get_args(hint)[1]


def _known(key: str, source: str) -> str:
    if key in _leaves():
        return key
    message = f"There is no setting {key!r}" + (f" (from {source})." if source else ".")
    raise InvalidSettings(message, hint=_nearest(key, list(_leaves())), field=key, source=source)


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(known))}."


def _checked(key: str, value: Any, source: str) -> Any:
    """The value in its field's type and range."""
    kind = _kind(key, source)
    try:
        converted = convert(value, kind, strict=True, str_keys=True)
        if key.startswith("sampling."):
            check_sampling(replace(Sampling(), **{key.removeprefix("sampling."): converted}))
    except msgspec.ValidationError as error:
        raise _wrong(key, value, source, _in_words(str(error))) from error
    except InvalidInput as error:
        raise _wrong(key, value, source, f"it must be {error.facts['expected']}") from error
    return converted


_BOUND = re.compile(r"Expected `(?:int|float|str)`( of length)? (>=|<=|>|<) (\S+)")
_BOUND_WORDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


def _in_words(problem: str) -> str:
    """A limit that msgspec found exceeded, in words; its other findings as they are."""
    found = _BOUND.match(problem)
    if not found:
        return problem
    length, sign, limit = found.groups()
    return "it must not be empty" if length else f"it must be {_BOUND_WORDS[sign]} {limit}"


def _wrong(key: str, value: object, source: str, reason: str) -> InvalidSettings:
    message = f"Setting {key!r} from {source} cannot be {value!r}: {reason}."
    return InvalidSettings(message, hint=f"It takes {_type_name(_kind(key, source))}.", field=key, source=source)


def _check_names(key: str, value: Any) -> None:
    """Refuse a theme, an action or a key that the app does not know. A file that names one is read all the same."""
    table, _, action = key.partition(".")
    if key == "theme" and value not in THEMES:
        raise InvalidSettings(f"There is no theme {value!r}.", hint=_nearest(value, THEMES), field=key)
    if table != "keys":
        return
    for name, keys in value.items() if isinstance(value, Mapping) else [(action, value)]:
        if name not in ACTIONS:
            raise InvalidSettings(f"The app has no action {name!r}.", hint=_nearest(name, ACTIONS), field=key)
        for one in keys.split(","):
            if not is_key(one.strip()):
                hint = "Keys are written like `x`, `f5`, `ctrl+n` or `shift+pageup`, several separated by commas."
                raise InvalidSettings(f"There is no key {one.strip()!r}, wanted for {name}.", hint=hint, field=key)


_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def _parsed(key: str, text: str, source: str) -> Any:
    """The value a variable's text stands for: plain text for strings, otherwise as TOML writes it."""
    hint = _kind(key, source)
    if hint is bool:
        if text.lower() not in _SWITCH:
            raise _wrong(key, text, source, "neither true nor false")
        return _SWITCH[text.lower()]
    if _type_name(hint).startswith(("text", "one of")):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise _wrong(key, text, source, "not a value in TOML's notation") from error


_TYPE_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def _type_name(hint: Any) -> str:
    """A type in words."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _type_name(arguments[0])
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in (types.UnionType, typing.Union):
        return " or ".join("nothing" if kind is type(None) else _type_name(kind) for kind in arguments)
    if origin is tuple:
        return f"a list of {_type_name(arguments[0])}"
    if origin is Mapping:
        return f"a table from {_type_name(arguments[0])} to {_type_name(arguments[1])}"
    return _TYPE_NAMES[hint]
