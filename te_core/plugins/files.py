"""Single-file plugins in the folder ``engine.plugins_dir``, for experiments."""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from te_core.errors import PluginLoadError
from te_core.plugins.discovery import PluginEntry

ORIGIN = "file"
"""Shown in place of a distribution."""
HOOK = b"hookimpl"
"""Text that every plugin contains: files without it are helpers, or not plugins at all."""
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PREFIX = "te_plugin_file_"


@dataclass(frozen=True, slots=True)
class FileEntryPoint:
    """A file in place of an entry point: the module is the plugin."""

    file: Path

    @property
    def module(self) -> str:
        """Return the name under which it is imported, which no installed module has."""
        return _PREFIX + re.sub(r"\W", "_", self.file.stem)

    @property
    def value(self) -> str:
        """Return the file's name."""
        return self.file.name

    def load(self) -> ModuleType:
        """Import the file. Raises ``PluginLoadError``, and whatever its code raises."""
        _refuse_writable(self.file)
        spec = spec_from_file_location(self.module, self.file)
        if spec is None or spec.loader is None:
            raise PluginLoadError(self.file.stem, f"{self.file.name} cannot be imported as a module")
        module = module_from_spec(spec)
        sys.modules[self.module] = module  # models resolve their annotations there
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[self.module]
            raise
        return module


def files_in(folder: Path) -> list[PluginEntry]:
    """Return the plugins of a folder sorted by name, without importing them. A missing folder has none."""
    return sorted(_entries(folder), key=lambda entry: entry.name)


def _entries(folder: Path) -> Iterator[PluginEntry]:
    try:
        files = sorted(folder.glob("*.py"))
    except OSError:
        return
    for file in files:
        if NAME.fullmatch(file.stem) and _has_hook(file):
            yield PluginEntry(
                name=file.stem,
                distribution=ORIGIN,
                version="",
                requires_core="",
                requires=(),
                entry_point=FileEntryPoint(file),
                file=file,
            )


def _has_hook(file: Path) -> bool:
    try:
        return HOOK in file.read_bytes()
    except OSError:
        return False


def _refuse_writable(file: Path) -> None:
    """Reject a file that other users of the machine can write: it would run with the engine's keys."""
    for path in (file, file.parent):
        if path.stat().st_mode & stat.S_IWOTH:
            raise PluginLoadError(
                file.stem, f"{path} is writable by every user of this machine: run chmod o-w {path}"
            )
