"""Finds installed plugins in the metadata of distributions, without importing anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from te_core.errors import PluginIncompatible
from te_core.hookspecs import ENTRY_POINT_GROUP

CORE = "te-core"
LEVEL_KEYWORD = re.compile(r"trade-engine-(bronze|silver|gold)")
MOST_FILES = 2000
"""Maximum number of a plugin's files that its digest covers."""


class EntryPoint(Protocol):
    """Where to load a plugin from: an entry point of a distribution, or a file."""

    @property
    def module(self) -> str:
        """Return the name of the module."""
        ...

    @property
    def value(self) -> str:
        """Return the object reference in the metadata: ``te_acme.plugin`` or ``te_acme.plugin:offered``."""
        ...

    def load(self) -> Any:
        """Import it and return the plugin."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginEntry:
    """An installed plugin."""

    name: str
    distribution: str
    version: str
    requires_core: str
    """Its version specifier for te-core; empty if it has none."""
    requires: tuple[str, ...]
    entry_point: EntryPoint
    level: str = ""
    """The quality level that its package states in a keyword, ``trade-engine-silver``; empty if none."""
    file: Path | None = None
    """The one file that the plugin consists of; None for an installed package."""

    def digest(self) -> str:
        """Return a digest of the plugin's code on disk, without importing it; empty if it is not found.

        It changes with an upgrade, with an edit of an editable install, and with an uninstall.
        """
        try:
            files = [self.file] if self.file is not None else sorted(_code_of(self.entry_point.module))
            found = sha256()
            for file in files[:MOST_FILES]:
                found.update(f"{file.name}\0".encode())
                found.update(file.read_bytes())
        except (OSError, ImportError, AttributeError, ValueError):
            return ""
        return found.hexdigest()[:16] if files else ""

    def check_requirements(self, core_version: str) -> None:
        """Raise ``PluginIncompatible`` if te-core's version does not match, or a required package is missing."""
        try:
            needed = list(_applicable(self.requires))
        except InvalidRequirement as error:
            raise self._incompatible(f"its metadata has an invalid requirement: {error}") from None
        for requirement in needed:
            fits = requirement.specifier.contains(core_version, prereleases=True)
            if canonicalize_name(requirement.name) == CORE and not fits:
                raise self._incompatible(
                    f"requires te-core{requirement.specifier}, but this is te-core {core_version}: "
                    f"install a compatible version of {self.distribution}"
                )
        missing = [str(requirement) for requirement in needed if not _is_installed(requirement.name)]
        if missing:
            named = ", ".join(missing)
            raise self._incompatible(
                f"requires {named}, which is not installed: reinstall it with pip install {self.distribution}"
            )

    def _incompatible(self, reason: str) -> PluginIncompatible:
        return PluginIncompatible(self.name, reason, distribution=self.distribution)


def discover() -> list[PluginEntry]:
    """Return every installed plugin, sorted by name and distribution. Damaged distributions are skipped."""
    entries: list[PluginEntry] = []
    seen: set[str] = set()
    for distribution in metadata.distributions():
        found = _entries(distribution)
        name = canonicalize_name(found[0].distribution) if found else ""
        if name not in seen:  # the first distribution of a name on the path is the one that would be imported
            entries += found
            seen |= {name} if name else set()
    return sorted(entries, key=lambda entry: (entry.name, entry.distribution))


def _entries(distribution: metadata.Distribution) -> list[PluginEntry]:
    try:
        points = [point for point in distribution.entry_points if point.group == ENTRY_POINT_GROUP]
        if not points:  # most have none; parsing all metadata would be slow
            return []
        name, version = _field(distribution, "Name"), _field(distribution, "Version")
        requires = tuple(distribution.requires or ())
        level = stated_level(re.split(r"[,\s]+", _field(distribution, "Keywords")))
    except (AttributeError, TypeError, ValueError, KeyError, OSError):
        return []
    return [
        PluginEntry(
            name=point.name,
            distribution=name,
            version=version or "unknown",
            requires_core=_core_specifier(requires),
            requires=requires,
            entry_point=point,
            level=level,
        )
        for point in points
        if name and point.name
    ]


def stated_level(keywords: Iterable[str]) -> str:
    """Return the quality level that a package's keywords state; empty if none does. Nobody has checked it."""
    found = (LEVEL_KEYWORD.fullmatch(keyword) for keyword in keywords)
    return next((match[1] for match in found if match is not None), "")


def _code_of(module: str) -> Iterator[Path]:
    """Yield the files of the top-level package that a module belongs to, without importing it."""
    spec: ModuleSpec | None = find_spec(module.partition(".")[0])
    if spec is None:
        return
    if spec.submodule_search_locations is None:
        if spec.origin is not None:
            yield Path(spec.origin)
        return
    for folder in spec.submodule_search_locations:
        yield from Path(folder).rglob("*.py")


def _field(distribution: metadata.Distribution, name: str) -> str:
    """Return a field of the metadata, empty if missing: `metadata[name]` warns about that, or will raise."""
    return next(iter(distribution.metadata.get_all(name) or ()), "")


def _core_specifier(requires: tuple[str, ...]) -> str:
    try:
        found = [r.specifier for r in _applicable(requires) if canonicalize_name(r.name) == CORE]
    except InvalidRequirement:
        return ""
    return ",".join(str(specifier) for specifier in found)


def _applicable(requires: tuple[str, ...]) -> Iterator[Requirement]:
    for text in requires:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
