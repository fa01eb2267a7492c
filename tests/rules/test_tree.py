"""README's tree is the sources' own: each line is a module docstring's first line."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import readme_tree
from scripts.marked import read_part, replace_part
from tests.rules.sources import ROOT


def test_the_readme_shows_the_tree() -> None:
    shown = read_part((ROOT / "README.md").read_text(encoding="utf-8"), "tree").splitlines()
    expected = readme_tree.render(ROOT).splitlines()
    assert shown == expected, "Run `python -m scripts.readme_tree --write`."


def test_a_tree_lists_files_and_folders_with_their_first_lines(tmp_path: Path) -> None:
    folder = tmp_path / "edgellm" / "hub"
    folder.mkdir(parents=True)
    (tmp_path / "edgellm" / "__init__.py").write_text('"""The product."""')
    (folder / "__init__.py").write_text('"""Which model fits.\n\nMore words.\n"""')
    (folder / "cards.py").write_text('"""The catalogue."""')
    lines = [line.split(maxsplit=1) for line in readme_tree.tree_lines(tmp_path) if line]
    assert lines[-3:] == [["edgellm/", "The product."], ["hub/", "Which model fits."], ["cards.py", "The catalogue."]]


def test_a_marked_part_is_replaced_and_nothing_else() -> None:
    text = "before\n<!-- tree:start -->\nold\n<!-- tree:end -->\nafter\n"
    new = replace_part(text, "tree", "new")
    assert new == "before\n<!-- tree:start -->\nnew\n<!-- tree:end -->\nafter\n"
    assert read_part(new, "tree") == "new"


@pytest.mark.parametrize("text", ["", "<!-- tree:end --> <!-- tree:start -->"])
def test_missing_markers_are_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="tree:start"):
        replace_part(text, "tree", "new")
