"""What became of a plugin, for ``te plugins`` and the state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from te_core.plugins.discovery import PluginEntry


class PluginStatus(StrEnum):
    """``INSTALLED``: found, not imported, for nothing asks for it. ``LOADING``: its import takes long."""

    INSTALLED = "installed"
    LOADING = "loading"
    LOADED = "loaded"
    FAILED = "failed"
    INCOMPATIBLE = "incompatible"
    CONFLICT = "conflict"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginReport:
    """``kind``: what it offers; empty before it is loaded. ``reason``: what to do about it."""

    name: str
    kind: str = ""
    distribution: str = ""
    version: str = ""
    status: PluginStatus = PluginStatus.INSTALLED
    reason: str = ""
    traceback: str = ""
    digest: str = ""
    """Of its code when it was loaded; empty before that, and where it was not found."""

    def as_json(self) -> dict[str, Any]:
        """Give plain values."""
        return asdict(self) | {"status": str(self.status)}


def report_of(
    entries: Sequence[PluginEntry],
    status: PluginStatus,
    reason: str = "",
    *,
    kind: str = "",
    traceback: str = "",
    digest: str = "",
) -> PluginReport:
    """Report on a plugin; with several distributions of one name, name them all."""
    return PluginReport(
        name=entries[0].name,
        kind=kind,
        distribution=", ".join(entry.distribution for entry in entries),
        version=", ".join(entry.version for entry in entries),
        status=status,
        reason=reason,
        traceback=traceback,
        digest=digest,
    )


def restart_needed(running: Mapping[str, Any], installed: PluginReport | None, digest: str) -> str:
    """Return why the engine has to be restarted to run a plugin as it is installed now; empty where it has not.

    ``running``: what the engine reports of it. ``digest``: of the code that is there now. A plugin is never imported
    again in a running engine.
    """
    if running.get("status") not in (PluginStatus.LOADED, PluginStatus.FAILED, PluginStatus.INCOMPATIBLE):
        return ""
    has = " ".join(part for part in ("the running engine has loaded", running.get("version", "")) if part)
    if installed is None or installed.status is PluginStatus.MISSING:
        return f"{has}, and it is not installed any more: restart the engine to run without it"
    if installed.version != running.get("version"):
        return f"{has}, installed is {installed.version}: restart the engine"
    if digest and running.get("digest") and digest != running["digest"]:
        return "its code has changed since the running engine loaded it: restart the engine"
    return ""
