"""Writes a package from the templates: plain files, in which ``$name`` and the like are filled in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from string import Template

from te_core.errors import CommandFailed
from te_core.plugin_kit.kinds import Naming, core_bounds

SUFFIX = ".tmpl"
"""Suffix of templates, so that no file in this package counts as a module of ours, or a test."""


def files(naming: Naming, *, author: str, year: int, exchange_id: str = "") -> Mapping[PurePosixPath, str]:
    """Return the package's files by their path. ``exchange_id``: ccxt's, for an exchange on it."""
    needs = (f"te-core{core_bounds()}", *naming.kind.needs)
    values = {
        "name": naming.name,
        "title": naming.title,
        "package": naming.package,
        "distribution": naming.distribution,
        "description": naming.kind.description.format(title=naming.title),
        "dependencies": "\n".join(f'    "{need}",' for need in needs),
        "author": author or f"the authors of {naming.distribution}",
        "year": str(year),
        "exchange_id": exchange_id or naming.name,
    }
    root = resources.files(__package__) / "templates"
    found: dict[PurePosixPath, str] = {}
    for layer in naming.kind.layers:
        for path, template in _templates(root / layer, PurePosixPath()):
            found[_placed(path, naming)] = Template(template).substitute(values)
    return found


def write(target: Path, content: Mapping[PurePosixPath, str]) -> None:
    """Write the files into a folder that must not exist yet: all of them, or none.

    Raises ``CommandFailed`` where the folder is there, or cannot be made.
    """
    if target.exists() or target.is_symlink():
        raise CommandFailed(
            f"{target} is there already, and nothing in it is overwritten",
            next_step="choose another name, or another folder with --dir",
        )
    try:
        target.mkdir(parents=True)
    except OSError as error:
        raise CommandFailed(f"{target}: cannot be made: {error.strerror}") from None
    try:
        for path, text in content.items():
            file = target / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)
        raise CommandFailed(f"{error.filename}: cannot be written: {error.strerror}") from None


def _templates(folder: Traversable, below: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        path = below / entry.name
        if entry.is_dir():
            yield from _templates(entry, path)
        elif entry.name.endswith(SUFFIX):
            yield path.with_name(entry.name.removesuffix(SUFFIX)), entry.read_text(encoding="utf-8")


def _placed(path: PurePosixPath, naming: Naming) -> PurePosixPath:
    """Return where a template's file goes. Its own name hides what builds leave out: ``dot-`` and ``TESTS``."""
    return PurePosixPath(*(_filled_in(part, naming) for part in path.parts))


def _filled_in(part: str, naming: Naming) -> str:
    hidden = f".{part.removeprefix('dot-')}" if part.startswith("dot-") else part
    return hidden.replace("PACKAGE", naming.package).replace("NAME", naming.name).replace("TESTS", "tests")
