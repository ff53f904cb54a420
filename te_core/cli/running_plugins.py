"""Compares the plugins that the running engine has loaded with the installed ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from te_core.cli.client import ask
from te_core.cli.failure import Failure

if TYPE_CHECKING:
    from te_core.app.paths import Paths
    from te_core.plugins.registry import Registry


def running_plugins(paths: Paths) -> Mapping[str, Mapping[str, Any]]:
    """Return the running engine's plugin reports by name; empty if no engine answers."""
    try:
        return {one["name"]: one for one in ask(paths, "/api/v1/state")["plugins"]}
    except Failure:
        return {}


def restarts(running: Mapping[str, Mapping[str, Any]], registry: Registry) -> dict[str, str]:
    """Return why the engine must be restarted, by plugin name."""
    from te_core.plugins.report import restart_needed

    found = {
        name: restart_needed(report, registry.reports.get(name), registry.digest(name))
        for name, report in running.items()
    }
    return {name: reason for name, reason in found.items() if reason}


def other_code(paths: Paths, registry: Registry, plugin: str) -> str:
    """Return how a plugin's code in this process differs from the running engine's; empty if it does not."""
    running = running_plugins(paths)
    return restarts({plugin: running[plugin]}, registry).get(plugin, "") if plugin in running else ""
