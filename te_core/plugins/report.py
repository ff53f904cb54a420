"""The status of a plugin, for ``te plugins`` and the state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from te_core.plugins.discovery import PluginEntry


class PluginStatus(StrEnum):
    """``INSTALLED``: found but not imported, because nothing uses it. ``LOADING``: its import is taking long."""

    INSTALLED = "installed"
    LOADING = "loading"
    LOADED = "loaded"
    FAILED = "failed"
    INCOMPATIBLE = "incompatible"
    CONFLICT = "conflict"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginReport:
    """The status of one plugin."""

    name: str
    kind: str = ""
    """The kinds of its specs (``source``, ``exchange`` …); empty before it is loaded."""
    distribution: str = ""
    version: str = ""
    status: PluginStatus = PluginStatus.INSTALLED
    reason: str = ""
    """Why it cannot be used, and what to do about it."""
    traceback: str = ""
    digest: str = ""
    """Of its code when it was loaded; empty before that, and if it was not found."""

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
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
    """Build the report on a plugin; if several distributions offer its name, list them all."""
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
    """Return why the engine must be restarted to run a plugin as it is installed now; empty if it need not.

    ``running``: the engine's report on it. ``digest``: of the code on disk now. A plugin is never imported
    again in a running engine.
    """
    if running.get("status") not in (PluginStatus.LOADED, PluginStatus.FAILED, PluginStatus.INCOMPATIBLE):
        return ""
    has = " ".join(part for part in ("the running engine has loaded", running.get("version", "")) if part)
    if installed is None or installed.status is PluginStatus.MISSING:
        return f"{has}, but it is no longer installed: restart the engine to run without it"
    if installed.version != running.get("version"):
        return f"{has}, but {installed.version} is installed: restart the engine"
    if digest and running.get("digest") and digest != running["digest"]:
        return "its code has changed since the running engine loaded it: restart the engine"
    return ""
