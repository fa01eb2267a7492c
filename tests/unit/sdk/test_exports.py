"""What an export request becomes; what is refused before a job begins."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgellm.errors import AdapterNotFound, InvalidInput, ModelNotFound, NotFound
from edgellm.export.card import card
from edgellm.export.manifest import MANIFEST, encode_manifest
from edgellm.hub.adapters import AdapterManifest, BaseRecord, DatasetRecord
from edgellm.hub.cards import load_catalogue
from edgellm.hub.inspect import Inspection
from edgellm.hub.installed import Library, sha256_of
from edgellm.paths import Home
from edgellm.sdk.export_order import ExportRequest, _licence_on_card, order
from edgellm.sdk.exports import Exports
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from tests.ggufs import GGUF, model_keys, string
from tests.unit.cli.fakes import INSPECTION
from tests.unit.export.samples import manifest


class FakeJobs:
    """Remembers what was begun."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, dict[str, Any]]] = []

    def start(self, kind: str, title: str, arguments: dict[str, Any]) -> str:
        self.begun.append((kind, arguments))
        return title


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(data=tmp_path / "data", cache=tmp_path / "cache", config=tmp_path / "config")


@pytest.fixture
def library(home: Home) -> Library:
    def inspector(_path: Path) -> Inspection:
        return INSPECTION

    return Library(home, inspector)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return GGUF().write(tmp_path / "tiny.gguf")


@pytest.fixture
def jobs() -> FakeJobs:
    return FakeJobs()


@pytest.fixture
def exports(home: Home, library: Library, jobs: FakeJobs) -> Exports:
    return Exports(home, library, jobs)  # type: ignore[arg-type]


MADE_OF = DatasetRecord(name="faq", hash="01")


def put_adapter(home: Home, base: BaseRecord, dataset: DatasetRecord = MADE_OF) -> None:
    folder = home.adapters / "tax"
    folder.mkdir(parents=True)
    (folder / "adapter.gguf").write_bytes(b"weights")
    written = AdapterManifest(name="tax", base=base, dataset=dataset)
    (folder / "manifest.json").write_bytes(msgspec.json.encode(written))


def test_an_order_names_folder_files_and_base(home: Home, library: Library, model: Path) -> None:
    made = order(home, library, ExportRequest(model=str(model), quants="q8_0"))
    assert (made.name, made.folder) == ("tiny", home.data / "exports" / "tiny")
    assert made.base.sha256 == sha256_of(model)
    assert made.adapter is None


def test_an_adapter_is_found_by_name_and_named_in_the_order(home: Home, library: Library, model: Path) -> None:
    library.add(model)
    put_adapter(home, BaseRecord(name="tiny", sha256=sha256_of(model)))
    made = order(home, library, ExportRequest(model="tiny@tax"))
    assert made.name == "tiny-tax"
    assert made.adapter_path == home.adapters / "tax" / "adapter.gguf"
    assert made.adapter is not None
    assert (made.adapter.dataset, made.adapter.dataset_hash, made.adapter.dataset_rows) == ("faq", "01", None)


def _words(number: int, side: str) -> str:
    """Words that no other row has: rows that are alike are held out together or not at all."""
    digest = hashlib.sha256(f"{side}{number}".encode()).hexdigest().translate(str.maketrans("0123456789", "ghijklmnop"))
    return " ".join(digest[at : at + 8] for at in range(0, 64, 8))


def test_without_a_text_what_the_adapter_learnt_calibrates_and_what_it_did_not_verifies(
    home: Home, library: Library, model: Path, tmp_path: Path
) -> None:
    library.add(model)
    rows = (",".join((f"Who is {_words(i, 'q')}?", f"It is number {_words(i, 'a')}.\n")) for i in range(200))
    (tmp_path / "faq.csv").write_text("question,answer\n" + "".join(rows))
    with EdgeLLM("fake:", home=home, settings=Settings()) as edge:
        dataset = edge.datasets.build([tmp_path / "faq.csv"], "faq").manifest
    made_of = DatasetRecord(name="faq", hash=dataset.dataset_hash)
    put_adapter(home, BaseRecord(name="tiny", sha256=sha256_of(model)), made_of)
    made = order(home, library, ExportRequest(model="tiny@tax"))
    assert made.text.source == "dataset faq"
    assert "It is number" in made.text.content.splitlines()[1]
    assert "held out from training (test, valid)" in made.text.held_out_source
    held_out = [line for line in made.text.held_out.splitlines() if "It is number" in line]
    assert len(held_out) == dataset.counts.splits["test"] + dataset.counts.splits["valid"] > 1
    assert not set(held_out) & set(made.text.content.splitlines()), "what was learnt verifies nothing"
    assert made.adapter is not None
    assert made.adapter.dataset_rows == dataset.counts.kept
    (home.datasets / "faq" / "train.jsonl").write_text("changed")
    changed = order(home, library, ExportRequest(model="tiny@tax"))
    assert changed.text.source == "EdgeLLM's general text"


def test_an_adapter_of_another_base_is_refused(home: Home, library: Library, model: Path) -> None:
    library.add(model)
    put_adapter(home, BaseRecord(name="other", sha256="ab" * 32))
    with pytest.raises(InvalidInput, match="made for 'other'"):
        order(home, library, ExportRequest(model="tiny@tax"))


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"model": "nobody"}, ModelNotFound),
        ({"model": "tiny@nothing"}, AdapterNotFound),
        ({"model": "tiny", "quants": "Q9"}, InvalidInput),
        ({"model": "tiny", "text": "/no/such/file"}, InvalidInput),
        ({"model": "tiny", "to": "zip"}, InvalidInput),
    ],
)
def test_what_cannot_be_done_is_refused_before_a_job_begins(
    exports: Exports, jobs: FakeJobs, library: Library, model: Path, said: dict[str, Any], kind: type[Exception]
) -> None:
    library.add(model)
    with pytest.raises(kind):
        exports.start(**said)
    assert jobs.begun == []


@pytest.mark.parametrize(("stored", "folder"), [("Q4_1", "F16"), ("F16", "F16"), ("BF16", "BF16"), ("F32", "F32")])
def test_a_folder_has_the_type_of_its_base(home: Home, model: Path, stored: str, folder: str) -> None:
    library = Library(home, lambda _path: replace(INSPECTION, quantization=stored))
    made = order(home, library, ExportRequest(model=str(model), to="hf"))
    assert [quant.name for quant in made.quants] == [folder]
    assert (made.kind, made.folder) == ("hf", home.data / "exports" / "tiny-hf")
    chosen = order(home, library, ExportRequest(model=str(model), to="mlx", quants="f32"))
    assert [quant.name for quant in chosen.quants] == ["F32"]


@pytest.mark.parametrize("quants", ["Q4_K_M", "F16,F32"])
def test_a_folder_has_one_type_and_no_quantization(exports: Exports, jobs: FakeJobs, model: Path, quants: str) -> None:
    with pytest.raises(InvalidInput, match=f"cannot be stored as '{quants}'") as caught:
        exports.start(str(model), quants, to="hf")
    assert "export to gguf" in caught.value.hint
    assert jobs.begun == []


def test_peft_files_need_an_adapter_and_no_quantization(
    home: Home, exports: Exports, jobs: FakeJobs, library: Library, model: Path
) -> None:
    library.add(model)
    with pytest.raises(InvalidInput, match="'tiny' names none") as caught:
        exports.start("tiny", to="peft")
    assert "tiny@ADAPTER" in caught.value.hint
    put_adapter(home, BaseRecord(name="tiny", sha256=sha256_of(model)))
    with pytest.raises(InvalidInput, match="not as 'Q8_0'"):
        exports.start("tiny@tax", "Q8_0", to="peft")
    assert jobs.begun == []
    assert exports.start("tiny@tax", to="peft") == "Export tiny@tax as peft"  # type: ignore[comparison-overlap]
    made = order(home, library, ExportRequest(model="tiny@tax", to="peft"))
    assert made.folder.name == "tiny-tax-peft"


def test_a_taken_folder_is_refused_before_a_job_begins(exports: Exports, jobs: FakeJobs, model: Path) -> None:
    (exports.folder / "tiny").mkdir(parents=True)
    with pytest.raises(InvalidInput, match="exists already"):
        exports.start(str(model))
    assert jobs.begun == []
    exports.compare(str(model))  # a comparison makes no folder
    assert [kind for kind, _ in jobs.begun] == ["quants"]


def test_paths_reach_the_job_absolute(
    exports: Exports, jobs: FakeJobs, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model.parent)
    Path("own.txt").write_text("words")
    exports.start("tiny.gguf", text="own.txt", out="there")
    (kind, arguments) = jobs.begun[0]
    assert kind == "export"
    assert arguments == {
        "model": str(model),
        "to": "gguf",
        "quants": None,
        "text": str(model.parent / "own.txt"),
        "out": str(model.parent / "there"),
    }


def test_exports_are_listed_and_shown(exports: Exports) -> None:
    assert exports.list() == []
    folder = exports.folder / "m"
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_bytes(encode_manifest(manifest()))
    assert exports.list() == [manifest()]
    assert exports.damaged() == []
    (exports.folder / "broken").mkdir()
    (exports.folder / "broken" / MANIFEST).write_bytes(b"{")
    (exports.folder / ".m.export-1.part").mkdir()
    (exports.folder / ".m.export-1.part" / MANIFEST).write_bytes(encode_manifest(manifest()))
    assert exports.list() == [manifest()]
    (found,) = exports.damaged()
    assert (found.name, "no manifest of an export" in found.reason) == ("broken", True)
    assert exports.show("m") == manifest()
    with pytest.raises(NotFound, match="no export named 'n'"):
        exports.show("n")


def test_what_a_model_learnt_from_is_on_its_card_and_harmless(home: Home, tmp_path: Path) -> None:
    silent = Library(home, lambda _path: replace(INSPECTION, licence=None))
    said = "base, taught tax ![x](https://x.example/a.png) `<img src=x>`"
    keys = model_keys() | {"general.description": string(said)}
    made = order(home, silent, ExportRequest(model=str(GGUF(keys=keys).write(tmp_path / "mine.gguf"))))
    assert made.base.description == said
    shown = card(msgspec.structs.replace(manifest(), base=made.base))
    assert "- the base says of itself: `base, taught tax ![x](https://x.example/a.png) '<img src=x>'`" in shown


def test_a_licence_is_taken_from_the_catalogue_for_files_from_there_alone(home: Home, tmp_path: Path) -> None:
    silent = Library(home, lambda _path: replace(INSPECTION, licence=None))
    repository = load_catalogue().get("qwen3-8b").repository
    file = GGUF().write(tmp_path / "qwen3-8b.gguf")
    by_name = order(home, silent, ExportRequest(model=str(file)))
    assert by_name.base.licence == "", "a name proves nothing"
    fetched = replace(silent.find(str(file)), source=f"https://hub.example/{repository}/resolve/main/q.gguf")
    assert _licence_on_card(fetched) == "Apache-2.0 (says the catalogue)"
