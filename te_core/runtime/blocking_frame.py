"""Find out which plugin's or package's code a thread is executing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from types import FrameType

from te_core.plugins.discovery import discover

_CORE = "te_core"


def executing(thread: int) -> str:
    """Return what a thread of this process is executing, as plugin, function, file and line."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - documented, for debuggers and the like
    return "nobody: the thread has ended" if frame is None else culprit(frame, plugins_by_package())


def plugins_by_package() -> dict[str, str]:
    """Return the name and distribution of every installed plugin by its top-level package."""
    return {
        _package(entry.entry_point.module): f"plugin {entry.name} ({entry.distribution})"
        for entry in discover()
    }


def culprit(innermost: FrameType, plugins: Mapping[str, str]) -> str:
    """Return the responsible call: the innermost of a plugin, or else of a library, or else of the core.

    A plugin that blocks usually does so deep in other code, which its author can only find from their own line.
    """
    frames = list(_outwards(innermost))
    choices: tuple[Callable[[str], bool], ...] = (
        lambda package: package in plugins,
        lambda package: package != _CORE and package not in sys.stdlib_module_names,
        lambda package: package == _CORE,
        lambda _: True,
    )
    found = next(frame for fits in choices for frame in frames if fits(_package_of(frame)))
    package = _package_of(found)
    return f"{plugins.get(package, package)}: {found.f_code.co_qualname}, {_where(found)}{_inside(innermost, found)}"


def _inside(innermost: FrameType, found: FrameType) -> str:
    if innermost is found:
        return ""
    return f" (in {innermost.f_code.co_qualname}, {_where(innermost)})"


def _where(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _package_of(frame: FrameType) -> str:
    return _package(str(frame.f_globals.get("__name__", "")))


def _package(module: str) -> str:
    return module.partition(".")[0]
