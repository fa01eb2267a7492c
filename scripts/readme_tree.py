"""README's tree: every module with the first line of its docstring."""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.marked import read_part, replace_part
from scripts.project import ROOT

WHOLE = ("edgellm", "tui/edgellm_tui", "models/edgellm_models", "benchmarks", "scripts")
"""Folders shown file by file."""
TOP = {
    "Makefile": "run, setup, test, check, bench; each creates what it needs.",
    "pyproject.toml": "Build, extras, lint, types, import contracts.",
    "constraints.txt": "The versions the tests ran with.",
    "docs/": "Guides and reference.",
    "tests/": "unit (mirrors the sources), contract, tui, rules, live.",
}
COLUMN = 34


def describe(path: Path) -> str:
    """The first line of a module's docstring; empty without one."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    return (docstring or "").split("\n", 1)[0].strip()


def tree_lines(root: Path) -> Iterator[str]:
    """The tree, a line a file; folders carry their package's docstring."""
    for name, line in TOP.items():
        yield _row(0, name, line)
    for folder in WHOLE:
        if (root / folder).is_dir():
            yield ""
            yield from _folder_lines(root / folder, folder, 0)


def _folder_lines(folder: Path, name: str, depth: int) -> Iterator[str]:
    package = folder / "__init__.py"
    yield _row(depth, f"{name}/", describe(package) if package.exists() else "")
    entries = sorted(folder.iterdir(), key=lambda entry: (entry.is_dir(), entry.name))
    for entry in entries:
        if entry.is_dir() and any(entry.rglob("*.py")):
            yield from _folder_lines(entry, entry.name, depth + 1)
        elif entry.suffix == ".py" and entry.name != "__init__.py":
            yield _row(depth + 1, entry.name, describe(entry))


def _row(depth: int, name: str, line: str) -> str:
    return f"{'  ' * depth}{name}".ljust(COLUMN) + line


def render(root: Path) -> str:
    """The tree as README shows it, a Markdown code block."""
    return "\n".join(["```", *(line.rstrip() for line in tree_lines(root)), "```"])


def main(arguments: list[str] | None = None) -> int:
    """Compare README's tree with the sources, or write it. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the tree into README.md")
    options = parser.parse_args(arguments)
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    if options.write:
        readme.write_text(replace_part(text, "tree", render(ROOT)), encoding="utf-8")
        return 0
    if read_part(text, "tree") == render(ROOT):
        return 0
    print("README's tree is not the sources': run `python -m scripts.readme_tree --write`.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
