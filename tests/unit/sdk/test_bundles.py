"""Bundles: made in one home, opened in another, and nothing left of what was refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import msgspec
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
    ModelRejected,
    StoreTooNew,
)
from edgellm.events import JobEvent, Progressed, Started
from edgellm.export.adapter_gguf import write_adapter_gguf
from edgellm.export.bundle.manifest import Manifest
from edgellm.export.bundle.write import Part, write_bundle
from edgellm.hub.adapters import BaseRecord, Shelf
from edgellm.hub.inspect import Inspection, check_header
from edgellm.hub.installed import Library, sha256_of
from edgellm.paths import Home, home_from
from edgellm.retrieval.embed.source import EmbedderSource, read_source
from edgellm.retrieval.shelf import CollectionShelf
from edgellm.retrieval.values import EmbedderIdentity
from edgellm.sdk import bundle_embedders, bundle_parts
from edgellm.sdk.bundle_parts import BundleRequest, gather
from edgellm.sdk.bundles import Bundles
from tests.ggufs import GGUF, Tensor, model_keys, string, u32
from tests.unit.export.bundle.samples import changed
from tests.unit.export.loras import random_lora
from tests.unit.export.samples import exported, manifest
from tests.unit.retrieval.embed.folders import make_folder
from tests.unit.retrieval.library import IDENTITY, OTHER, add


@pytest.fixture(autouse=True)
def small_disk_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 0)


FARES = ("A ticket to Oban costs 12 pounds.", "Children travel free.")


class Machine:
    """A home with its library, which opens no file in llama.cpp."""

    def __init__(self, folder: Path) -> None:
        self.home: Home = home_from({"EDGELLM_HOME": str(folder)})
        self.library = Library(self.home, check_header)
        self.bundles = Bundles(self.home, self.library)
        self.collections = CollectionShelf(self.home)

    def files(self) -> list[str]:
        """Everything in the home but locks and empty folders."""
        return sorted(str(path.relative_to(self.home.data)) for path in self.home.data.rglob("*") if path.is_file())


@pytest.fixture
def here(tmp_path: Path) -> Machine:
    """A machine with a model, an adapter and a collection."""
    machine = Machine(tmp_path / "here")
    model = machine.library.add(base_file(tmp_path / "tiny.gguf"), "tiny")
    lora = lora_file(tmp_path / "lora.gguf")
    Shelf(machine.home).attach(lora, BaseRecord(name="tiny", sha256=str(model.sha256)), "fares")
    with machine.collections.open_or_create("ferries", lambda: IDENTITY) as collection:
        add(collection, "/docs/fares.txt", *FARES)
    return machine


@pytest.fixture
def there(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "there")


def base_file(path: Path, seed: int = 0) -> Path:
    tensors = [Tensor("token_embd.weight", (32, 8)), Tensor("blk.0.attn_q.weight", (32, 32))]
    keys = model_keys(general__seed=u32(seed), general__license=string("mit"))
    return GGUF(keys=keys, tensors=tensors).write(path)


def lora_file(path: Path, alpha: float = 6.0, inputs: int = 32) -> Path:
    write_adapter_gguf(path, random_lora({"blk.0.attn_q.weight": (inputs, 32)}, alpha=alpha))
    return path


def identity_of(embedder: EmbedderIdentity) -> EmbedderIdentity:
    return embedder


def sealed(here: Machine, tmp_path: Path, name: str = "fares", **more: Any) -> Path:
    """A bundle of all that the machine has."""
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("You sell tickets.")
    out = tmp_path / f"{name}.bundle"
    said: dict[str, Any] = {"collections": ["ferries"], "prompts": [prompt]} | more
    return here.bundles.create(name, "tiny@fares", out, **said).path


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


def crafted(here: Machine, tmp_path: Path, change: dict[str, bytes], **about: Any) -> Path:
    """A bundle with sound hashes over contents that are not sound."""
    request = BundleRequest(name="fares", model="tiny@fares", collections=("ferries",))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    said, parts = gather(here.home, here.library, request, scratch)
    made: Manifest = changed(said, **about)
    parts = [Part(path=part.path, content=change[part.path]) if part.path in change else part for part in parts]
    write_bundle(tmp_path / "crafted", made, parts, lambda _: None)
    return tmp_path / "crafted"


def newer_collection(here: Machine, tmp_path: Path) -> bytes:
    path = here.collections.path("ferries")
    copy = tmp_path / "newer.sqlite"
    copy.write_bytes(path.read_bytes())
    connection = apsw.Connection(str(copy))
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    return copy.read_bytes()


def other_base(here: Machine) -> bytes:
    found = json.loads((Shelf(here.home).get("fares").folder / "manifest.json").read_bytes())
    return json.dumps(found | {"base": found["base"] | {"sha256": "0" * 64}}).encode()


def test_a_collection_of_a_newer_version_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    path = crafted(here, tmp_path, {"collection-1.sqlite": newer_collection(here, tmp_path)})
    with pytest.raises(StoreTooNew):
        there.bundles.open(path)
    assert there.files() == []


@pytest.mark.parametrize(
    ("member", "content", "error"),
    [
        ("model.gguf", b"GGUF", ModelRejected),
        ("adapter.gguf", b"GGUF", InvalidInput),
        ("adapter.json", b"{}", InvalidInput),
        ("collection-1.sqlite", b"SQLite format 3\x00" + bytes(500), EdgeLLMError),
        ("collection-1.sqlite", b"", EdgeLLMError),
    ],
)
def test_contents_that_cannot_be_used_are_refused(
    here: Machine, there: Machine, tmp_path: Path, member: str, content: bytes, error: type[EdgeLLMError]
) -> None:
    with pytest.raises(error):
        there.bundles.open(crafted(here, tmp_path, {member: content}))
    assert there.files() == []


def test_an_adapter_that_does_not_fit_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    other = lora_file(tmp_path / "other.gguf", inputs=24).read_bytes()
    with pytest.raises(InvalidInput, match="does not fit"):
        there.bundles.open(crafted(here, tmp_path, {"adapter.gguf": other}))


def test_an_adapter_with_values_that_end_the_engine_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    content = bytearray(Shelf(here.home).get("fares").path.read_bytes())
    content[-4:] = b"\x00\x00\xc0\x7f"  # NaN
    with pytest.raises(InvalidInput, match="not finite"):
        there.bundles.open(crafted(here, tmp_path, {"adapter.gguf": bytes(content)}))


def test_a_collection_whose_parts_do_not_fit_together_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    copy = tmp_path / "broken.sqlite"
    copy.write_bytes(here.collections.path("ferries").read_bytes())
    connection = apsw.Connection(str(copy))
    connection.execute("UPDATE files SET characters = characters + 1")
    connection.close()
    with pytest.raises(InvalidInput, match="its collection 'ferries' is damaged"):
        there.bundles.open(crafted(here, tmp_path, {"collection-1.sqlite": copy.read_bytes()}))
    assert there.files() == []


def test_an_adapter_of_another_model_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="made for another model"):
        there.bundles.open(crafted(here, tmp_path, {"adapter.json": other_base(here)}))
    assert there.files() == []


def test_an_adapter_of_a_newer_format_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    found = json.loads((Shelf(here.home).get("fares").folder / "manifest.json").read_bytes())
    newer = json.dumps(found | {"format": 99}).encode()
    with pytest.raises(InvalidInput, match="newer EdgeLLM"):
        there.bundles.open(crafted(here, tmp_path, {"adapter.json": newer}))


def test_a_model_that_inspection_refuses_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    path = sealed(here, tmp_path)

    def refused(path: Path) -> Inspection:
        raise ModelRejected("It crashed.", path=str(path), reason="crash")

    there.library.inspect = refused
    with pytest.raises(ModelRejected):
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


@pytest.fixture
def embedder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny embedder's folder, which its name leads to until `forgotten`."""
    folder = make_folder(tmp_path / "tiny-bert")
    (folder / "README.md").write_text("not needed")
    monkeypatch.setattr(bundle_embedders, "found", lambda name: (folder, name))
    return folder


def forgotten(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """From here on no name leads to an embedder. Returns: folders whose twin is made."""
    proven: list[Path] = []

    def nowhere(name: str) -> tuple[Path, str]:
        raise ModelNotFound(f"No {name}.", name=name)

    def twin(source: EmbedderSource, kept: Path, on_make: Callable[[], None]) -> None:
        assert source.folder.path.parent == kept
        on_make()
        proven.append(source.folder.path)

    monkeypatch.setattr(bundle_embedders, "found", nowhere)
    monkeypatch.setattr(bundle_embedders, "find_or_make_twin", twin)
    return proven


def with_embedder(here: Machine, folder: Path, tmp_path: Path) -> Path:
    """A bundle with a collection whose vectors are of this embedder."""
    identity = read_source(folder, "tiny-bert").identity
    with here.collections.open_or_create("times", lambda: identity) as collection:
        add(collection, "/docs/times.txt", "The last ship leaves at nine.")
    return here.bundles.create("fares", "tiny", tmp_path / "with", collections=["times"]).path


def test_an_embedder_comes_with_its_collection(
    here: Machine, there: Machine, tmp_path: Path, embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_embedder(here, embedder, tmp_path)
    identity = read_source(embedder, "tiny-bert").identity
    assert [each.name for each in here.bundles.show(path).manifest.embedders] == ["tiny-bert"]
    proven, events = forgotten(monkeypatch), list[JobEvent]()
    there.bundles.open(path, on_event=events.append)
    assert isinstance(events[-1], Progressed)
    assert events[-1].note == "proving the embedder tiny-bert"
    placed = there.home.embedders / f"tiny-bert-{identity.sha256[:12]}"
    assert proven == [placed]
    assert read_source(placed, "tiny-bert").identity == identity
    assert not (placed / "README.md").exists()
    there.bundles.open(path)
    assert [path.name for path in there.home.embedders.iterdir()] == [placed.name]


def test_an_embedder_that_is_there_already_stays_as_it_is(
    here: Machine, there: Machine, tmp_path: Path, embedder: Path
) -> None:
    there.bundles.open(with_embedder(here, embedder, tmp_path))
    assert [path.name for path in there.home.embedders.iterdir()] == []


def test_an_embedder_that_no_name_leads_to_stays_here(here: Machine, tmp_path: Path) -> None:
    assert here.bundles.show(sealed(here, tmp_path)).manifest.embedders == ()


def test_an_embedder_that_is_not_what_it_says_is_refused(
    here: Machine, there: Machine, tmp_path: Path, embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_embedder(here, embedder, tmp_path)
    request = BundleRequest(name="fares", model="tiny", collections=("times",))
    (tmp_path / "scratch").mkdir()
    said, parts = gather(here.home, here.library, request, tmp_path / "scratch")
    other = msgspec.structs.replace(said.embedders[0], sha256="0" * 64)
    write_bundle(tmp_path / "other", changed(said, embedders=(other,)), parts, lambda _: None)
    forgotten(monkeypatch)
    with pytest.raises(InvalidInput, match="other weights than it says"):
        there.bundles.open(tmp_path / "other")
    assert there.files() == []


def test_a_twin_that_fails_its_proof_takes_everything_back(
    here: Machine, there: Machine, tmp_path: Path, embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_embedder(here, embedder, tmp_path)
    forgotten(monkeypatch)

    def differs(*_: object) -> None:
        raise ModelRejected("It computes something else.", path="x", reason="x")

    monkeypatch.setattr(bundle_embedders, "find_or_make_twin", differs)
    with pytest.raises(ModelRejected):
        there.bundles.open(path)
    assert there.files() == []


def test_a_bundle_with_nothing_to_read_is_opened(here: Machine, there: Machine, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    said, parts = gather(here.home, here.library, BundleRequest(name="bare", model="tiny"), tmp_path / "scratch")
    write_bundle(tmp_path / "bare", said, parts[:1], lambda _: None)
    assert [path.name for path in there.bundles.open(tmp_path / "bare").folder.iterdir()] == ["manifest.json"]


def test_prompts_have_a_limit(here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_parts, "MAX_PROMPT_BYTES", 3)
    with pytest.raises(InvalidInput, match="at most 3 bytes"):
        sealed(here, tmp_path)
