"""``te plugins``: what is installed, what is used, what runs, and what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from te_core.app import used_plugins
from te_core.app.paths import Paths
from te_core.cli.failure import Failure
from te_core.cli.output import print_json, print_lines, print_note, show, table

if TYPE_CHECKING:
    from te_core.plugins.registry import Registry
    from te_core.settings.schema import Settings

_COLUMNS = ("name", "kind", "distribution", "version", "status", "instances", "reason")
_LEVEL = "stated_level"
"""The column of levels that packages state of themselves; left out where none does."""


def plugins(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    no_import: Annotated[bool, typer.Option("--no-import", help="Import nothing, only list.")] = False,
    trace: Annotated[
        str,
        typer.Option("--trace", metavar="NAME", help="Load this plugin and print where its code failed."),
    ] = "",
) -> None:
    """List the installed plugins. Only those that the settings name are imported, to see whether they work.

    If an engine is running, compare what it has loaded with what is installed now.

    \b
    Example: te plugins
             te plugins --no-import --json
             te plugins --trace acme
    """
    paths = Paths.of(context)
    if trace:
        print_lines(*_trace(paths, trace))
        return
    found = list(_plugins(paths, no_import=no_import))
    if as_json:
        print_json({"plugins": found})
    else:
        columns = [*_COLUMNS[:-1], *([_LEVEL] if any(row[_LEVEL] for row in found) else []), _COLUMNS[-1]]
        rows = ([_text(plugin[column]) for column in columns] for plugin in map(_shown, found))
        show(table("Plugins", columns, rows))


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else value


def _shown(plugin: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row of the table: a plugin that needs a restart says so where others print_lines what is wrong."""
    if not plugin["restart"]:
        return plugin
    reason = "; ".join(part for part in (plugin["restart"], plugin["reason"]) if part)
    return {**plugin, "status": "restart", "reason": reason}


def _plugins(paths: Paths, *, no_import: bool) -> Iterator[dict[str, Any]]:
    import asyncio

    from te_core.cli.instances import redactor_of
    from te_core.cli.running_plugins import restarts, running_plugins
    from te_core.secrets import redacted

    settings = _settings(paths)
    registry = _registry(paths, settings)
    if settings is not None and not no_import:
        asyncio.run(registry.ensure(settings.plugins_in_use(), settings.pinned_plugins()))
    for reason in registry.notices.values():
        print_note(reason)
    redact = redactor_of(settings, registry).redact if settings else str
    running = running_plugins(paths)
    needed = restarts(running, registry)
    for name, report in sorted(registry.reports.items()):
        instances = list(_instances(settings, name)) if settings else []
        loaded = running.get(name, {}).get("version") if name in running else None
        extra: dict[str, Any] = {"instances": instances, "running": loaded, "restart": needed.pop(name, "")}
        extra[_LEVEL] = registry.stated_level(name)
        yield {**redacted(report.as_json(), redact), **extra}
    for name, reason in needed.items():  # what runs and is not installed any more
        gone = {"instances": [], "running": running[name]["version"], "restart": reason, _LEVEL: ""}
        yield {**running[name], **gone}


def _registry(paths: Paths, settings: Settings | None) -> Registry:
    from te_core.plugins.registry import Registry

    registry = Registry(used=used_plugins.read(paths.state))
    if settings is not None:
        registry.look_in(settings.plugins_folder(paths.settings.parent))
    return registry


def _trace(paths: Paths, name: str) -> Iterator[str]:
    """Load one plugin and return the traceback of what failed."""
    import asyncio

    from te_core.cli.instances import redact_for
    from te_core.plugins.report import PluginStatus

    settings = _settings(paths)
    registry = _registry(paths, settings)
    asyncio.run(registry.ensure([name], settings.pinned_plugins() if settings is not None else {}))
    report, redact = registry.reports[name], redact_for(paths)
    if report.status is PluginStatus.LOADED:
        yield f"plugin {name} was loaded without an error"
    elif not report.traceback:
        raise Failure(
            f"plugin {name}: {redact(report.reason)}", next_step="te plugins lists what is installed"
        )
    else:
        yield from redact(report.traceback).splitlines()
        yield f"plugin {name}: {redact(report.reason)}"


def _settings(paths: Paths) -> Settings | None:
    """Return the settings, or None if they are broken: what is installed can be listed all the same."""
    from te_core.settings.loading import load_settings
    from te_core.settings.problems import SettingsInvalid

    try:
        return load_settings(paths.settings, os.environ)
    except SettingsInvalid as invalid:
        print_note(
            *map(str, invalid.problems), "the settings are refused: nothing is imported (see te check)"
        )
        return None


def _instances(settings: Settings, plugin: str) -> Iterator[str]:
    from te_core.settings.resolution import Kind

    for group in get_args(Kind):
        yield from (
            f"{group}.{name}"
            for name, section in getattr(settings, group).items()
            if section.plugin == plugin
        )
