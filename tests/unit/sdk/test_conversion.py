"""Folders that are to enter the library: what is refused before a job begins, and how a job ends."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgellm.errors import InvalidInput, ModelNotFound, ModelRejected
from edgellm.export.convert import write
from edgellm.export.convert.write import Converted
from edgellm.hub.inspect import check_header
from edgellm.hub.installed import Library
from edgellm.paths import home_from
from edgellm.sdk.conversion import conversion, convert_job
from tests.ggufs import GGUF
from tests.unit.export.convert.folders import CONFIG, make_folder, write_safetensors

SOUND = CONFIG | {"rms_norm_eps": 1e-6}


@dataclass
class Place:
    """A library and a folder beside it."""

    library: Library
    folder: Path
    root: Path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    home = home_from({"EDGELLM_HOME": str(tmp_path / "home")})
    return Place(Library(home, inspector=check_header), make_folder(tmp_path / "Tiny Qwen2.5", SOUND), tmp_path)


def test_name_and_type_follow_the_folder(place: Place) -> None:
    found = conversion(place.library, place.folder, None, None)
    assert found.arguments() == {"folder": str(place.folder), "name": "Tiny-Qwen2.5", "type": "F16"}
    entry = {"dtype": "BF16", "shape": [8], "data_offsets": [0, 16]}
    write_safetensors(place.folder / "model.safetensors", {"model.norm.weight": entry}, bytes(16))
    assert conversion(place.library, place.folder, "mine", None).type == "BF16"
    assert conversion(place.library, place.folder, "mine", "F32").type == "F32"


def _pickle(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'true'\ntR.")


def _code(folder: Path) -> None:
    (folder / "modeling_evil.py").write_text("raise SystemExit(13)")


def _names_code(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(SOUND | {"auto_map": {"AutoModel": "modeling.Evil"}}))


def _link(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "outside")
    (folder / "model.safetensors").symlink_to(folder.parent / "outside")


def _huge_header(folder: Path) -> None:
    write_safetensors(folder / "model.safetensors", b"{}", b"", length=2**62)


def _leads_outside(folder: Path) -> None:
    index = {"weight_map": {"model.norm.weight": "../outside.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _unknown_family(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(SOUND | {"model_type": "mamba"}))


EVIL = {
    _pickle: "pickles can run code",
    _code: "must not bring code",
    _names_code: "names code to run",
    _link: "symbolic link",
    _huge_header: "its header has",
    _leads_outside: "no shard of this folder",
    _unknown_family: "mamba",
}


@pytest.mark.parametrize("spoil", EVIL)
def test_evil_folders_are_refused_before_a_job_begins(place: Place, spoil: Any) -> None:
    spoil(place.folder)
    with pytest.raises(ModelRejected, match=EVIL[spoil]):
        conversion(place.library, place.folder, None, None)


def test_a_refusal_imports_neither_the_folder_s_code_nor_a_heavy_library(place: Place) -> None:
    _names_code(place.folder)
    code = (
        "import sys\nfrom edgellm.sdk.facade import EdgeLLM\n"
        f"edge = EdgeLLM('fake:', home={str(place.root / 'home')!r})\n"
        f"try:\n    edge.models.add_folder({str(place.folder)!r})\n"
        "except Exception as error:\n    print(type(error).__name__)\n"
        "heavy = {'numpy', 'mlx', 'llama_cpp', 'tokenizers', 'transformers', 'torch', 'modeling'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=place.folder)
    assert done.stdout.splitlines() == ["ModelRejected", "[]"]


@pytest.mark.parametrize("name", ["starter", "taken"])
def test_a_taken_name_is_refused(place: Place, name: str) -> None:
    place.library.add(GGUF().write(place.root / "taken.gguf"))
    with pytest.raises(InvalidInput, match=f"already named '{name}'"):
        conversion(place.library, place.folder, name, None)


@pytest.mark.parametrize(("name", "type"), [("../evil", None), (None, "Q4_K_M")])
def test_impossible_names_and_types_are_refused(place: Place, name: str | None, type: str | None) -> None:
    with pytest.raises(InvalidInput):
        conversion(place.library, place.folder, name, type)


def _converting(*, fails: bool) -> Any:
    def convert(_folder: Path, out: Path, _type: str, _on_event: Any) -> Converted:
        GGUF().write(out)
        if fails:
            raise RuntimeError("stopped")
        return Converted(out, "qwen2", 2, 7, out.stat().st_size, ("a note",))

    return convert


def test_the_model_is_in_the_library_with_its_folder_as_its_source(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "convert_folder", _converting(fails=False))
    arguments = conversion(place.library, place.folder, "mine", None).arguments()
    result = convert_job(place.library, arguments, lambda _: None)
    model = place.library.find("mine")
    assert (result["name"], result["path"], result["notes"]) == ("mine", str(model.path), ["a note"])
    assert (model.source, model.removable) == (str(place.folder), True)
    assert sorted(path.name for path in place.library.folder.iterdir()) == ["mine.gguf", "mine.json"]


def test_a_failed_conversion_leaves_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "convert_folder", _converting(fails=True))
    arguments = conversion(place.library, place.folder, "mine", None).arguments()
    with pytest.raises(RuntimeError):
        convert_job(place.library, arguments, lambda _: None)
    assert list(place.library.folder.iterdir()) == []
    with pytest.raises(ModelNotFound):
        place.library.find("mine")


def test_a_folder_where_a_file_is_wanted_says_how_to_take_it_in(place: Place) -> None:
    with pytest.raises(ModelNotFound) as caught:
        place.library.find(str(place.folder))
    assert caught.value.hint == f"Take it into the library first: edgellm models add {place.folder}"
