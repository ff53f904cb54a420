"""The layers that the README names: a module imports from its own layer and those before it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

FOLDER = Path(__file__).parents[1]
PACKAGE = "te_exchange_ccxt"
LAYERS = re.compile(r"Modules import from left to right only: (?P<layers>[^.]*)\.\n", re.S)


def layers() -> list[set[str]]:
    """Read the rooms of each layer: top-level modules and subpackages."""
    found = LAYERS.search((FOLDER / "README.md").read_text(encoding="utf-8"))
    assert found is not None
    return [set(re.findall(r"`(\w+)/?`", layer)) for layer in found["layers"].split("·")]


def imports(path: Path) -> set[str]:
    """Return the rooms of the package that a module imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[1] for name in names if name.startswith(f"{PACKAGE}.")}


def test_modules_import_from_left_to_right_only() -> None:
    rank = {room: number for number, rooms in enumerate(layers()) for room in rooms}
    modules = [path for path in (FOLDER / PACKAGE).rglob("*.py") if path.name != "__init__.py"]
    rooms = {path: path.relative_to(FOLDER / PACKAGE).parts[0].removesuffix(".py") for path in modules}
    assert set(rooms.values()) == rank.keys(), "the README has each module in one layer"
    backward = [
        f"{path.name} imports {room}"
        for path in modules
        for room in imports(path)
        if rank[room] > rank[rooms[path]]
    ]
    assert backward == []
