"""Bundles: made in one home, opened in another, and nothing left of what was refused."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edgellm import disk_space
from edgellm.errors import (
    CollectionNotFound,
    DiskFull,
    EdgeLLMError,
    IntegrityError,
    InvalidInput,
    ModelError,
    ModelNotFound,
)
from edgellm.evals.run import Run, SubjectRecord, write_run
from edgellm.events import JobEvent, Started
from edgellm.export.bundle.write import write_bundle
from edgellm.hub.adapters import BaseRecord, Shelf
from edgellm.hub.installed import sha256_of
from edgellm.sdk import bundle_parts
from edgellm.sdk.bundle_parts import BundleRequest, gather
from edgellm.sdk.engines import Engines
from edgellm.settings import Settings
from tests.unit.export.samples import exported, manifest
from tests.unit.retrieval.library import IDENTITY, OTHER, add
from tests.unit.sdk.bundles.machines import FARES, Machine, base_file, identity_of, lora_file, sealed


def test_all_that_was_sealed_is_there_on_another_machine(here: Machine, there: Machine, tmp_path: Path) -> None:
    events: list[JobEvent] = []
    opened = there.bundles.open(sealed(here, tmp_path), on_event=events.append)
    assert isinstance(events[0], Started)
    assert opened.reference == "tiny@fares"
    assert opened.collections == ("ferries",)
    model = there.library.find("tiny")
    assert model.path.read_bytes() == here.library.find("tiny").path.read_bytes()
    assert model.source == "bundle fares"
    there.library.verify("tiny")
    adapter = Shelf(there.home).get("fares")
    assert adapter.path.read_bytes() == Shelf(here.home).get("fares").path.read_bytes()
    assert adapter.manifest.base.sha256 == model.sha256
    with there.collections.open("ferries") as collection:
        assert collection.identity == IDENTITY
        assert collection.text("/docs/fares.txt").startswith("A ticket to Oban")
        assert collection.verify() == []
    assert there.files() == [
        "adapters/fares/adapter.gguf",
        "adapters/fares/manifest.json",
        "bundles/fares/adapter.json",
        "bundles/fares/licence.txt",
        "bundles/fares/manifest.json",
        "bundles/fares/prompt-1.txt",
        "collections/ferries.sqlite",
        "models/tiny.gguf",
        "models/tiny.json",
    ]
    assert (opened.folder / "prompt-1.txt").read_text() == "You sell tickets."
    assert "mit" in (opened.folder / "licence.txt").read_text()
    private = {path.stat().st_mode & 0o777 for path in there.home.data.rglob("*") if path.is_file()}
    assert private == {0o600}


def test_what_is_shown_is_what_is_in_it(here: Machine, tmp_path: Path) -> None:
    info = here.bundles.show(sealed(here, tmp_path))
    manifest = info.manifest
    assert (manifest.name, manifest.reference) == ("fares", "tiny@fares")
    assert (manifest.model.architecture, manifest.model.licence) == ("llama", "mit")
    assert [(each.name, each.embedder, each.files, each.chunks) for each in manifest.collections] == [
        ("ferries", "invented", 1, 2)
    ]
    assert (info.signed_by, info.is_verified) == ("", False)
    assert info.size_bytes == info.path.stat().st_size
    assert [member.path for member in manifest.members] == [
        "model.gguf",
        "adapter.gguf",
        "adapter.json",
        "collection-1.sqlite",
        "prompt-1.txt",
        "licence.txt",
    ]


def test_a_model_alone(here: Machine, there: Machine, tmp_path: Path) -> None:
    out = here.bundles.create("plain", "tiny", tmp_path / "plain").path
    opened = there.bundles.open(out)
    assert (opened.reference, opened.adapter, opened.collections) == ("tiny", None, ())
    assert not there.home.adapters.exists() or not any(there.home.adapters.iterdir())


def test_a_model_outside_the_library_gets_a_name(here: Machine, there: Machine, tmp_path: Path) -> None:
    path = base_file(tmp_path / "My model (v2).gguf", seed=7)
    out = here.bundles.create("plain", str(path), tmp_path / "plain").path
    assert there.bundles.open(out).model.name == "My-model-v2"


def test_an_adapter_names_its_base_as_it_is_called_there(here: Machine, there: Machine, tmp_path: Path) -> None:
    path = base_file(tmp_path / "My model.gguf", seed=7)
    base = BaseRecord(name=str(path), sha256=sha256_of(path))
    Shelf(here.home).attach(lora_file(tmp_path / "other.gguf", alpha=2.0), base, "other")
    opened = there.bundles.open(here.bundles.create("plain", f"{path}@other", tmp_path / "plain").path)
    assert opened.reference == "My-model@other"
    assert Shelf(there.home).get("other").reference == "My-model@other"


def test_opening_again_changes_nothing(here: Machine, there: Machine, tmp_path: Path) -> None:
    path = sealed(here, tmp_path)
    there.bundles.open(path)
    before = {name: (there.home.data / name).read_bytes() for name in there.files()}
    assert there.bundles.open(path).reference == "tiny@fares"
    assert {name: (there.home.data / name).read_bytes() for name in there.files()} == before
    assert here.bundles.open(path).reference == "tiny@fares"  # where it was made


def test_a_collection_that_is_being_written_is_copied_as_it_was(here: Machine, there: Machine, tmp_path: Path) -> None:
    with here.collections.open("ferries") as collection:
        add(collection, "/docs/times.txt", "The last ship leaves at nine.", seed=3)
        path = sealed(here, tmp_path)
        add(collection, "/docs/later.txt", "This came too late.", seed=4)
    there.bundles.open(path)
    with there.collections.open("ferries") as found:
        assert [stored.file.name for stored in found.files()] == ["/docs/fares.txt", "/docs/times.txt"]


def test_verification_reports_and_cards_come_along(here: Machine, there: Machine, tmp_path: Path) -> None:
    model = here.library.find("tiny")
    folder = here.home.data / "exports" / "tiny"
    folder.mkdir(parents=True)
    verified = manifest(exported("Q8_0", kl=0.004))
    files = [json.loads(_encoded(verified))["files"][0] | {"sha256": model.sha256}]
    (folder / "manifest.json").write_text(json.dumps(json.loads(_encoded(verified)) | {"files": files}))
    (folder / "card.md").write_text("# Tiny")
    opened = there.bundles.open(here.bundles.create("plain", "tiny", tmp_path / "plain").path)
    assert (opened.folder / "card-1.md").read_text() == "# Tiny"
    assert json.loads((opened.folder / "report-1.json").read_text())["files"] == files


def test_evaluations_of_this_very_model_come_along(here: Machine, there: Machine, tmp_path: Path) -> None:
    weights = Engines(here.home, Settings(), here.library).weights
    for number, judged in enumerate((weights("tiny@fares"), weights("tiny"), "", weights("tiny@fares"))):
        folder = here.home.evals / f"run-{number}"
        subject = SubjectRecord(name="x", target="tiny@fares", identity="x", weights=judged)
        run = Run(id=f"run-{number}", created=f"2026-01-0{number + 1}", edgellm="1", suites=(), subjects=(subject,))
        folder.mkdir(parents=True)
        write_run(folder, run)
        (folder / "report.md").write_text(f"# Run {number}")
    opened = there.bundles.open(here.bundles.create("judged", "tiny@fares", tmp_path / "judged").path)
    assert [(opened.folder / f"evaluation-{n}.md").read_text() for n in (1, 2)] == ["# Run 3", "# Run 0"]
    assert json.loads((opened.folder / "evaluation-1.json").read_text())["id"] == "run-3"
    assert not (opened.folder / "evaluation-3.json").exists()


def _encoded(verified: Any) -> bytes:
    from edgellm.export.manifest import encode_manifest

    return encode_manifest(verified)


@pytest.mark.parametrize(
    ("model", "more", "error"),
    [
        ("nobody", {}, ModelNotFound),
        ("tiny@nobody", {}, ModelNotFound),
        ("tiny", {"collections": ["nothing"]}, CollectionNotFound),
        ("tiny", {"prompts": ["/nowhere/prompt.txt"]}, InvalidInput),
    ],
)
def test_what_is_not_here_is_not_sealed(
    here: Machine, tmp_path: Path, model: str, more: dict[str, Any], error: type[EdgeLLMError]
) -> None:
    with pytest.raises(error):
        here.bundles.create("fares", model, tmp_path / "out", **more)
    assert not (tmp_path / "out").exists()


def test_names_and_texts_that_cannot_be_sealed(here: Machine, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be a model's name"):
        here.bundles.create("../x", "tiny", tmp_path / "out")
    binary = tmp_path / "prompt"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="no UTF-8"):
        here.bundles.create("x", "tiny", tmp_path / "out", prompts=[binary])


def test_an_adapter_of_another_base_is_not_sealed(here: Machine, tmp_path: Path) -> None:
    here.library.add(base_file(tmp_path / "other.gguf", seed=9), "other")
    with pytest.raises(ModelError, match="made for 'tiny'"):
        here.bundles.create("x", "other@fares", tmp_path / "out")


def test_a_model_that_changed_on_disk_is_not_sealed(here: Machine, tmp_path: Path) -> None:
    path = here.library.find("tiny").path
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="has changed on disk"):
        here.bundles.create("x", "tiny", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damage_anywhere_leaves_nothing_behind(here: Machine, there: Machine, tmp_path: Path) -> None:
    path = sealed(here, tmp_path)
    content = path.read_bytes()
    for place in range(100, len(content), len(content) // 23):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x20]) + content[place + 1 :])
        with pytest.raises((IntegrityError, InvalidInput)):
            there.bundles.open(path)
        assert there.files() == []
    for size in range(0, len(content), len(content) // 11):
        path.write_bytes(content[:size])
        with pytest.raises(InvalidInput):
            there.bundles.open(path)
    assert there.files() == []


def test_a_full_disk_is_told_before_anything_is_written(
    here: Machine, there: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sealed(here, tmp_path)
    monkeypatch.setattr(disk_space, "free_bytes", lambda _: 10_000)
    with pytest.raises(DiskFull):
        there.bundles.open(path)
    assert there.files() == []


def test_what_has_a_name_already_stays_and_nothing_else_comes(here: Machine, there: Machine, tmp_path: Path) -> None:
    path = sealed(here, tmp_path)
    there.library.add(base_file(tmp_path / "another.gguf", seed=5), "tiny")
    before, events = there.files(), list[JobEvent]()
    with pytest.raises(InvalidInput, match="Another model is already named 'tiny'"):
        there.bundles.open(path, on_event=events.append)
    assert there.files() == before
    assert events == []  # before gigabytes are read
    there.library.remove("tiny")
    Shelf(there.home).attach(lora_file(tmp_path / "x.gguf", alpha=1.0), BaseRecord(name="t", sha256="0" * 64), "fares")
    before = there.files()
    with pytest.raises(InvalidInput, match="Another adapter is already named 'fares'"):
        there.bundles.open(path)
    assert there.files() == before
    Shelf(there.home).remove("fares")
    for embedder, words in ((IDENTITY, ("Mine.",)), (OTHER, FARES)):
        with there.collections.open_or_create("ferries", partial(identity_of, embedder)) as collection:
            add(collection, "/docs/fares.txt", *words)
        before = there.files()
        with pytest.raises(InvalidInput, match="Another collection is already named 'ferries'"):
            there.bundles.open(path)
        assert there.files() == before
        there.collections.remove("ferries")


def test_another_bundle_of_the_same_name_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    there.bundles.open(sealed(here, tmp_path))
    other = here.bundles.create("fares", "tiny", tmp_path / "second").path
    with pytest.raises(InvalidInput, match="Another bundle is already named 'fares'"):
        there.bundles.open(other)


def test_a_failure_at_the_last_moment_takes_back_what_was_placed(
    here: Machine, there: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sealed(here, tmp_path)

    def fails(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("edgellm.sdk.bundle_placing.put_in_place", fails)
    with pytest.raises(OSError, match="Input/output"):
        there.bundles.open(path)
    assert there.files() == []


def test_the_starter_is_found_again_by_its_content(
    here: Machine, there: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = replace(here.library.find("tiny"), name="starter", removable=False)
    monkeypatch.setattr("edgellm.hub.installed.starter", lambda: starter)
    path = here.bundles.create("plain", "starter", tmp_path / "plain").path
    assert here.bundles.show(path).manifest.model.name == "tiny"  # after its file: only a package is called starter
    monkeypatch.setattr("edgellm.sdk.bundle_placing.starter", lambda: starter)
    assert there.bundles.open(path).reference == "starter"
    monkeypatch.setattr("edgellm.sdk.bundle_placing.starter", lambda: None)
    monkeypatch.setattr("edgellm.hub.installed.starter", lambda: None)
    elsewhere = Machine(tmp_path / "elsewhere")
    assert elsewhere.bundles.open(path).reference == "tiny"


def test_a_bundle_with_nothing_to_read_is_opened(here: Machine, there: Machine, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    said, parts = gather(here.home, here.library, BundleRequest(name="bare", model="tiny"), tmp_path / "scratch")
    write_bundle(tmp_path / "bare", said, parts[:1], lambda _: None)
    assert [path.name for path in there.bundles.open(tmp_path / "bare").folder.iterdir()] == ["manifest.json"]


def test_prompts_have_a_limit(here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_parts, "MAX_PROMPT_BYTES", 3)
    with pytest.raises(InvalidInput, match="at most 3 bytes"):
        sealed(here, tmp_path)
