"""What the running engine has loaded, and whether that is what is installed by now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from te_core.cli.client import ask
from te_core.cli.failure import Failure

if TYPE_CHECKING:
    from te_core.app.paths import Paths
    from te_core.plugins.registry import Registry


def running_plugins(paths: Paths) -> Mapping[str, Mapping[str, Any]]:
    """Return what the running engine reports of its plugins, by name; nothing where none can be asked."""
    try:
        return {one["name"]: one for one in ask(paths, "/api/v1/state")["plugins"]}
    except Failure:
        return {}


def restarts(running: Mapping[str, Mapping[str, Any]], registry: Registry) -> dict[str, str]:
    """Return why the engine has to be restarted, by the names of the plugins for which it has to."""
    from te_core.plugins.report import restart_needed

    found = {
        name: restart_needed(report, registry.reports.get(name), registry.digest(name))
        for name, report in running.items()
    }
    return {name: reason for name, reason in found.items() if reason}


def other_code(paths: Paths, registry: Registry, plugin: str) -> str:
    """Return how the code of a plugin in this process differs from that in the running engine; empty if it does not."""
    running = running_plugins(paths)
    return restarts({plugin: running[plugin]}, registry).get(plugin, "") if plugin in running else ""
