"""``te plugins``: what is installed, what is used, and what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from te_core.app import used_plugins
from te_core.app.paths import Paths
from te_core.cli.output import print_json, print_note, show, table

if TYPE_CHECKING:
    from te_core.settings.schema import Settings

_COLUMNS = ("name", "kind", "distribution", "version", "status", "instances", "reason")


def plugins(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    no_import: Annotated[bool, typer.Option("--no-import", help="Import nothing, only list.")] = False,
) -> None:
    """List the installed plugins. Only those that the settings name are imported, to see whether they work.

    \b
    Example: te plugins
             te plugins --no-import --json
    """
    found = list(_plugins(Paths.of(context), no_import=no_import))
    if as_json:
        print_json({"plugins": found})
    else:
        rows = ([_text(plugin[column]) for column in _COLUMNS] for plugin in found)
        show(table("Plugins", _COLUMNS, rows))


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else value


def _plugins(paths: Paths, *, no_import: bool) -> Iterator[dict[str, Any]]:
    import asyncio

    from te_core.cli.instances import redactor_of
    from te_core.journal.redaction import redacted
    from te_core.plugins.registry import Registry

    settings = _settings(paths)
    registry = Registry(used=used_plugins.read(paths.state))
    if settings is not None and not no_import:
        asyncio.run(registry.ensure(settings.plugins_in_use(), settings.pinned_plugins()))
    for reason in registry.notices.values():
        print_note(reason)
    redact = redactor_of(settings, registry).redact if settings else str
    for name, report in sorted(registry.reports.items()):
        instances = list(_instances(settings, name)) if settings else []
        yield {**redacted(report.as_json(), redact), "instances": instances}


def _settings(paths: Paths) -> Settings | None:
    """Give the settings; broken ones do not keep anyone from seeing what is installed."""
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
    for group in ("sources", "accounts", "notifiers"):
        yield from (
            f"{group}.{name}"
            for name, section in getattr(settings, group).items()
            if section.plugin == plugin
        )
