"""Commands that plugins bring: ``te <plugin> …``. Only the plugin whose name is typed is imported."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer
from typer.main import get_group

from te_core.app import used_plugins
from te_core.app.paths import Paths
from te_core.cli.client import ask
from te_core.cli.failure import Failure

if TYPE_CHECKING:
    from te_core.contracts.command import SourceInstance


class PluginCommandContext:
    """What the commands of one plugin may use; ``CommandContext`` documents each member."""

    def __init__(self, plugin: str, context: typer.Context) -> None:
        self._plugin = plugin
        self._context = context

    def sources(self) -> Mapping[str, SourceInstance]:
        """Return the instances of this plugin among the settings' sources."""
        from te_core.cli.instances import load, webhook_in
        from te_core.contracts.command import SourceInstance

        paths = Paths.of(self._context)
        resolved, registry, _ = load(paths)
        spec = registry.sources.get(self._plugin)
        return {
            name: SourceInstance(
                name=name,
                symbols=resolved.settings.sources[name].symbols,
                options=options,
                webhook_url=webhook_in(resolved, registry, paths, name) if spec and spec.webhook else "",
            )
            for name, options in resolved.source_options.items()
            if resolved.settings.sources[name].plugin == self._plugin
        }

    def report(self, source: str) -> Mapping[str, Any]:
        """Return the running engine's report of a source."""
        from urllib.parse import quote

        found: Mapping[str, Any] = ask(Paths.of(self._context), f"/api/v1/sources/{quote(source, safe='')}")
        return found


COMMANDS_GROUP = "trade_engine.commands"
"""Entry points by which plugins declare commands, so that the help can list them without importing anything."""


def plugins_with_commands() -> list[tuple[str, str]]:
    """Return the installed plugins that declare commands, each with a line for the help."""
    from importlib import metadata

    found = {
        point.name: f"of {point.dist.name}: te {point.name} --help" if point.dist else ""
        for point in metadata.entry_points(group=COMMANDS_GROUP)
    }
    return sorted(found.items())


def _pins(paths: Paths) -> Mapping[str, str]:
    """Return the plugins that the settings pin; broken settings do not prevent the help of a plugin."""
    from te_core.settings.loading import load_settings
    from te_core.settings.problems import SettingsInvalid

    try:
        return load_settings(paths.settings, os.environ).pinned_plugins()
    except SettingsInvalid:
        return {}


def plugin_commands(context: typer.Context, name: str) -> Any:
    """Return the command group of an installed plugin, or None if no plugin has that name.

    Raises ``Failure`` for a plugin that cannot be loaded, or has no commands.
    """
    import asyncio

    from te_core.cli.instances import redact_for
    from te_core.plugins.registry import Registry

    # Commands are looked up before the options' own callback has run.
    paths = Paths.find(context.find_root().params.get("settings"))
    registry = Registry(used=used_plugins.read(paths.state))
    if name not in registry.reports:
        return None
    asyncio.run(registry.ensure([name], _pins(paths)))
    spec = registry.commands.get(name)
    if spec is None:
        report = registry.reports[name]
        reason = redact_for(paths)(report.reason) or "it brings no commands of its own"
        raise Failure(f"plugin {name}: {reason}", next_step="commands of te itself: te --help")
    made = spec.build(PluginCommandContext(name, context))
    made.rich_markup_mode = None  # its help looks like ours
    return get_group(made)
