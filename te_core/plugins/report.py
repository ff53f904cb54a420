"""What became of a plugin, for ``te plugins`` and the state."""

from __future__ import annotations

from collections.abc import Sequence
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
    """``kind``: ``source``, ``exchange`` or both; empty before it is loaded. ``reason``: what to do about it."""

    name: str
    kind: str = ""
    distribution: str = ""
    version: str = ""
    status: PluginStatus = PluginStatus.INSTALLED
    reason: str = ""
    traceback: str = ""

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
    )
