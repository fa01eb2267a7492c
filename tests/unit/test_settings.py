"""Settings: file below environment below overrides, and errors that name the place and the nearest key."""

from __future__ import annotations

import errno
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from edgellm.errors import DiskFull, InvalidSettings
from edgellm.paths import Home, home_from
from edgellm.settings import Settings, describe, explain, field_help, load_settings, parse_setting, save_setting
from edgellm.types import Sampling


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_from({"EDGELLM_HOME": str(tmp_path)})


def write(home: Home, text: str) -> None:
    home.config.mkdir(parents=True, exist_ok=True)
    home.settings.write_text(text, encoding="utf-8")


def test_a_full_disk_keeps_the_old_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, "threads = 2\n")

    def refuse(path: Path, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("edgellm.settings.write_private", refuse)
    with pytest.raises(DiskFull, match="No space left"):
        save_setting(home, "threads", 3)
    assert load_settings(home, {}).threads == 2


def test_nothing_set_gives_the_defaults_and_creates_nothing(home: Home, tmp_path: Path) -> None:
    assert load_settings(home, {}) == Settings()
    assert list(tmp_path.iterdir()) == []


def test_file_is_below_environment_is_below_overrides(home: Home) -> None:
    write(home, 'threads = 1\ndefault_model = "file"\nmemory_share = 0.5\n[sampling]\ntop_k = 1\n')
    environment = {"EDGELLM_THREADS": "2", "EDGELLM_DEFAULT_MODEL": "environment", "EDGELLM_SAMPLING_MIN_P": "0.2"}
    found = load_settings(home, environment, {"threads": 3, "sampling.top_p": 0.5})
    assert (found.threads, found.default_model, found.memory_share) == (3, "environment", 0.5)
    assert found.sampling == Sampling(top_k=1, min_p=0.2, top_p=0.5)


def test_every_kind_of_value_from_the_file(home: Home) -> None:
    write(
        home,
        'kv_type = "q8_0"\noffline = true\nmemory_share = 1\n'
        '[sampling]\nstop = ["a", "b"]\nlogit_bias = { 5 = -1.5 }\nseed = 7\n'
        '[keys]\nquit = "ctrl+q"\n[prompts]\n"Hindi teacher" = "हिन्दी"\n',
    )
    found = load_settings(home, {})
    assert (found.kv_type, found.offline, found.memory_share) == ("q8_0", True, 1.0)
    assert found.sampling == Sampling(stop=("a", "b"), logit_bias={5: -1.5}, seed=7)
    assert found.keys == {"quit": "ctrl+q"}
    assert found.prompts == {"Hindi teacher": "हिन्दी"}


@pytest.mark.parametrize("text", ["1", "true", "YES", "on"])
def test_switches_in_the_environment(home: Home, text: str) -> None:
    assert load_settings(home, {"EDGELLM_OFFLINE": text}).offline
    assert load_settings(home, {"HF_HUB_OFFLINE": text}).offline


def test_the_hubs_own_variables_count_below_ours(home: Home) -> None:
    assert load_settings(home, {"TRANSFORMERS_OFFLINE": "1"}).offline
    assert not load_settings(home, {"HF_HUB_OFFLINE": "1", "EDGELLM_OFFLINE": "0"}).offline
    assert not load_settings(home, {"HF_HUB_OFFLINE": ""}).offline
    assert load_settings(home, {"HF_ENDPOINT": "http://127.0.0.1:9"}).hub_endpoint == "http://127.0.0.1:9"


def test_other_variables_are_nobodys_business(home: Home) -> None:
    assert load_settings(home, {"PATH": "/bin", "EDGELLM_HOME": "/x", "NOT_EDGELLM_OFFLINE": "1"}) == Settings()


@pytest.mark.parametrize(
    ("text", "field", "hint"),
    [
        ("thraeds = 2\n", "thraeds", "threads"),
        ("[sampling]\ntemprature = 1.0\n", "sampling.temprature", "sampling.temperature"),
        ("[sampling]\ntemperature = 9.0\n", "sampling.temperature", "a number"),
        ("[sampling]\ntop_p = nan\n", "sampling.top_p", "a number"),
        ("[sampling]\nseed = -1\n", "sampling.seed", "whole number"),
        ('[sampling]\nstop = [""]\n', "sampling.stop", "list of text"),
        ("[sampling.logit_bias]\n5 = 101.0\n", "sampling.logit_bias", "table"),
        ('threads = "two"\n', "threads", "whole number"),
        ("threads = 0\n", "threads", "whole number"),
        ("threads = 513\n", "threads", "whole number"),
        (f"context_tokens = {2**31}\n", "context_tokens", "whole number"),
        (f"gpu_layers = {2**70}\n", "gpu_layers", "whole number"),
        ("threads = true\n", "threads", "whole number"),
        ("sampling = 3\n", "sampling", "sampling"),
        ("memory_share = 1.5\n", "memory_share", "number"),
        ('kv_type = "q4"\n', "kv_type", "f16, q8_0"),
        ("[keys]\nquit = 3\n", "keys", "table"),
        ('hub_endpoint = "huggingface.co"\n', "hub_endpoint", "text"),
    ],
)
def test_a_wrong_file_is_refused_with_file_key_and_hint(home: Home, text: str, field: str, hint: str) -> None:
    write(home, text)
    with pytest.raises(InvalidSettings) as caught:
        load_settings(home, {})
    assert caught.value.facts == {"field": field, "source": str(home.settings)}
    assert hint in caught.value.hint
    assert field in caught.value.message


def test_broken_toml_and_broken_bytes_name_the_place(home: Home) -> None:
    write(home, "threads = 1\nthreads = \n")
    with pytest.raises(InvalidSettings, match="line 2"):
        load_settings(home, {})
    home.settings.write_bytes(b'theme = "\xff"\n')
    with pytest.raises(InvalidSettings, match="byte 9"):
        load_settings(home, {})


@pytest.mark.parametrize(
    ("variable", "text", "hint"),
    [
        ("EDGELLM_OFLINE", "1", "EDGELLM_OFFLINE"),
        ("EDGELLM_OFFLINE", "maybe", "true or false"),
        ("EDGELLM_THREADS", "many", "whole number"),
        ("EDGELLM_SAMPLING_TOP_P", "", "a number"),
        ("HF_ENDPOINT", "nowhere", "text"),
    ],
)
def test_a_wrong_variable_is_refused_by_name(home: Home, variable: str, text: str, hint: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        load_settings(home, {variable: text})
    assert caught.value.facts["source"] == variable
    assert hint in caught.value.hint


def test_a_wrong_override_is_refused(home: Home) -> None:
    with pytest.raises(InvalidSettings, match="'treads'"):
        load_settings(home, {}, {"treads": 1})
    with pytest.raises(InvalidSettings, match="override"):
        load_settings(home, {}, {"threads": "1"})


def test_every_setting_explains_itself() -> None:
    infos = {info.key: info for info in describe()}
    assert set(infos) >= {"default_model", "offline", "sampling.temperature", "keys", "prompts"}
    assert all(info.help.endswith(".") or info.help.endswith(").") for info in infos.values())
    assert infos["sampling.top_k"].variable == "EDGELLM_SAMPLING_TOP_K"
    assert infos["sampling.top_k"].default == Sampling().top_k
    assert infos["threads"].type == "a whole number or nothing"
    assert field_help(Settings)["offline"] == "Never use the network, not even to look a name up."


def test_every_variable_that_is_described_is_obeyed(home: Home) -> None:
    examples: dict[str, tuple[str, Any]] = {
        "text": ("https://x", "https://x"),
        "a whole number": ("300", 300),
        "a number": ("0.5", 0.5),
        "true or false": ("1", True),
        "one of f16, q8_0": ("q8_0", "q8_0"),
        "a list of text": ('["x"]', ("x",)),
        "a table from text to text": ('{a = "b"}', {"a": "b"}),
        "a table from a whole number to a number": ("{3 = 1.0}", {3: 1.0}),
    }
    for info in describe():
        small = ("16", 16) if info.key in ("sampling.n", "sampling.logprobs") else None
        text, value = small or examples[info.type.removesuffix(" or nothing")]
        found: Any = load_settings(home, {info.variable: text})
        for name in info.key.split("."):
            found = getattr(found, name)
        assert found == value, info.key


HAND_WRITTEN = """\
# my settings
default_model = "smol"  # small

# a string that looks like a table
system_prompt = \"\"\"
[sampling]
top_p = 9
\"\"\"

[sampling]   # taste
temperature = 0.2
stop = [
  "a",  # first
  "b",
]

[prompts]
"Pirate: arr" = "talk"
"""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("default_model", 'quote " and \\ and \n and é'),
        ("offline", True),
        ("sampling.temperature", 1.25),
        ("sampling.stop", ["x"]),
        ("sampling.top_p", 0.5),
        ("sampling.temperature", None),
        ("system_prompt", "short"),
        ("system_prompt", None),
        ("keys.app.quit", "ctrl+q"),
        ("prompts.Pirate: arr", "other"),
        ("prompts.With.dots", "text"),
        ("prompts.Pirate: arr", None),
        ("prompts.Nobody", None),
        ("threads", None),
    ],
)
def test_saving_changes_one_value_and_nothing_else(home: Home, key: str, value: object) -> None:
    write(home, HAND_WRITTEN)
    before = tomllib.loads(HAND_WRITTEN)
    save_setting(home, key, value)
    text = home.settings.read_text(encoding="utf-8")
    name, _, entry = key.partition(".")
    table = before.setdefault(name, {}) if entry else before
    table.pop(entry or name, None)
    if value is not None:
        table[entry or name] = value
    assert tomllib.loads(text) == before
    assert "# my settings" in text
    load_settings(home, {})


def test_saving_into_no_file_makes_a_private_one(home: Home) -> None:
    save_setting(home, "sampling.top_k", 5)
    save_setting(home, "theme", "nord")
    assert home.settings.stat().st_mode & 0o777 == 0o600
    assert load_settings(home, {}) == Settings(theme="nord", sampling=Sampling(top_k=5))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("thraeds", 1),
        ("threads", "x"),
        ("keys.app.quit", 3),
        ("sampling.temperature", 5.1),
        ("threads.x", 3),
        ("threads.x", None),
        ("system_prompt", "\ud800"),
        ("prompts.\ud800", "x"),
    ],
)
def test_saving_nonsense_is_refused_and_leaves_the_file(home: Home, key: str, value: object) -> None:
    write(home, HAND_WRITTEN)
    with pytest.raises(InvalidSettings):
        save_setting(home, key, value)
    assert home.settings.read_text(encoding="utf-8") == HAND_WRITTEN


def test_saving_never_touches_a_file_it_cannot_edit_safely(home: Home) -> None:
    text = "sampling = { top_k = 3 }\n"
    write(home, text)
    with pytest.raises(InvalidSettings, match=r"sampling\.top_k"):
        save_setting(home, "sampling.top_k", 4)
    write(home, "threads = \n")
    with pytest.raises(InvalidSettings):
        save_setting(home, "theme", "nord")
    assert home.settings.read_text(encoding="utf-8") == "threads = \n"


def test_saving_leaves_line_ends_and_links_as_they_are(home: Home, tmp_path: Path) -> None:
    home.config.mkdir(parents=True)
    kept = tmp_path / "kept elsewhere.toml"
    kept.write_bytes(b"# mine\r\nthreads = 1\r\n")
    home.settings.symlink_to(kept)
    save_setting(home, "threads", 2)
    assert home.settings.is_symlink()
    assert kept.read_bytes() == b"# mine\r\nthreads = 2\r\n"


def test_a_range_is_stated_and_a_wrong_value_can_be_taken_out(home: Home) -> None:
    write(home, "[sampling]\ntop_p = 7.0\n")
    with pytest.raises(InvalidSettings, match=r"top_p.* cannot be 7\.0: it must be a number from above 0 to 1\."):
        load_settings(home, {})
    save_setting(home, "sampling.top_p", None)
    assert load_settings(home, {}) == Settings()


def test_processes_that_save_at_the_same_moment_lose_no_change(home: Home) -> None:
    code = (
        "import sys; from edgellm.paths import home_from; from edgellm.settings import save_setting\n"
        "home = home_from({'EDGELLM_HOME': sys.argv[1]}); sys.stdin.read(1)\n"
        "for number in range(8): save_setting(home, f'prompts.{sys.argv[2]}{number}', 'x')"
    )
    root = str(home.config.parent)
    writers = [subprocess.Popen([sys.executable, "-c", code, root, name], stdin=subprocess.PIPE) for name in "ab"]
    for writer in writers:
        assert writer.stdin
        writer.stdin.close()
    assert [writer.wait(30) for writer in writers] == [0, 0]
    assert set(load_settings(home, {}).prompts) == {f"{name}{number}" for name in "ab" for number in range(8)}
    assert [path.name for path in home.config.iterdir()] == ["settings.toml"]


def test_a_folder_that_cannot_be_written_to_is_named(home: Home) -> None:
    home.config.write_text("a file where the folder should be")
    with pytest.raises(InvalidSettings, match=f"{home.settings} cannot be written: Not a directory"):
        save_setting(home, "threads", 2)


def test_a_file_that_cannot_be_read_is_named(home: Home) -> None:
    home.settings.mkdir(parents=True)
    with pytest.raises(InvalidSettings, match="cannot be read: Is a directory"):
        load_settings(home, {})


def test_an_entry_of_a_table_is_a_setting_too(home: Home) -> None:
    info = explain("prompts.Translator")
    assert (info.key, info.type, info.default, info.variable) == ("prompts.Translator", "text", None, "EDGELLM_PROMPTS")
    assert info.help == explain("prompts").help
    text = 'Translate into "Hindi".\nNothing else.'
    save_setting(home, "prompts.Translator", parse_setting("prompts.Translator", text, "here"))
    assert load_settings(home, {}).prompts == {"Translator": text}
    save_setting(home, "prompts.Translator", None)
    assert load_settings(home, {}).prompts == {}
    for nonsense in ("prompt.Translator", "threads.x", "prompts.", "sampling"):
        with pytest.raises(InvalidSettings, match=nonsense):
            explain(nonsense)
        with pytest.raises(InvalidSettings, match=nonsense):
            parse_setting(nonsense, "x", "here")
