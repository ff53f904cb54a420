"""Finds the section that a name refers to: an instance in the settings, or a plugin to create one of."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from te_core.cli.failure import ExitCode, Failure
from te_core.errors import nearest

if TYPE_CHECKING:
    from te_core.plugins.loading import InstanceSpec
    from te_core.plugins.registry import Registry
    from te_core.settings.schema import Settings
    from te_core.settings.section import PluginSection

GROUPS = ("sources", "accounts", "notifiers", "risk_checks", "observers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The section that a name refers to."""

    group: str
    name: str
    section: type[PluginSection]
    """The core's model."""
    spec: InstanceSpec
    new: bool
    """Whether it does not exist yet."""


def find(settings: Settings, name: str, new: str, used: Mapping[str, str]) -> Found:
    """Find a section by the name of an instance (``sources.sn8`` if ambiguous), or else of a plugin.

    A plugin with a single instance refers to that one, unless ``new`` names another. ``used``: the packages that
    plugins came from before. Raises ``Failure``.
    """
    instances = list(_instances(settings))
    matches = [entry for entry in instances if name in {entry[1], f"{entry[0]}.{entry[1]}"}]
    if not matches or new:
        of_plugin = [entry for entry in instances if entry[2] == name]
        if not new and len(of_plugin) > 1:
            raise Failure(
                f"plugin {name} has several instances",
                next_step=f"name one: {_names(of_plugin)}, or create another: --new NAME",
                code=ExitCode.INVALID,
            )
        matches = [] if new else of_plugin
    if len(matches) > 1:
        raise Failure(f"{name} is ambiguous", next_step=f"name one: {_names(matches)}", code=ExitCode.INVALID)
    if matches:
        group, instance, plugin = matches[0]
        return _found(settings, group, instance, plugin, _registry(settings, plugin, used), new=False)
    plugin = next((entry[2] for entry in instances if name == entry[1]), name)
    return _new(settings, plugin, new, used)


def named(settings: Settings, group: str, name: str) -> None:
    """Raise ``Failure`` if a new section cannot have this name."""
    import re

    if name in getattr(settings, group):
        raise Failure(f"[{group}.{name}] exists already", code=ExitCode.INVALID)
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
        raise Failure(f"{name!r}: expected lower-case letters, digits, - and _ only", code=ExitCode.INVALID)


def _new(settings: Settings, plugin: str, new: str, used: Mapping[str, str]) -> Found:
    registry = _registry(settings, plugin, used)
    specs = _specs(registry)
    group = next((group for group in GROUPS if plugin in specs[group]), None)
    if group is None:
        raise _nothing(settings, plugin, registry)
    return _found(settings, group, new or _free(plugin, getattr(settings, group)), plugin, registry, new=True)


def _nothing(settings: Settings, name: str, registry: Registry) -> Failure:
    from te_core.plugins.report import PluginStatus

    report = registry.reports.get(name)
    if report is None or report.status is PluginStatus.MISSING:
        known = {*(entry[1] for entry in _instances(settings)), *registry.reports} - {name}
        return Failure(f"{name}: unknown name{nearest(name, known)}", code=ExitCode.INVALID)
    reason = _shown(settings, report.reason) or "it has nothing to configure"
    return Failure(f"plugin {name}: {reason}", next_step="te plugins")


def _shown(settings: Settings, reason: str) -> str:
    """Redact secrets in the error of a plugin that cannot be loaded."""
    from te_core.secrets import Redactor

    return Redactor(secret.get_secret_value() for secret in settings.origin.secrets).redact(reason)


def section_of(group: str) -> type[PluginSection]:
    """Return the core's model of the sections of a group."""
    from te_core.settings.attachments import ObserverSettings, RiskCheckSettings
    from te_core.settings.schema import AccountSettings, NotifierSettings, SourceSettings

    models: tuple[type[PluginSection], ...] = (
        SourceSettings,
        AccountSettings,
        NotifierSettings,
        RiskCheckSettings,
        ObserverSettings,
    )
    return models[GROUPS.index(group)]


def _found(settings: Settings, group: str, name: str, plugin: str, registry: Registry, *, new: bool) -> Found:
    specs = _specs(registry)
    if plugin not in specs[group]:
        report = registry.reports.get(plugin)
        reason = (report.reason if report else "") or f"it is not installed, or offers no {group}"
        raise Failure(f"plugin {plugin}: {_shown(settings, reason)}", next_step="te plugins")
    return Found(group=group, name=name, section=section_of(group), spec=specs[group][plugin], new=new)


def _specs(registry: Registry) -> Mapping[str, Mapping[str, InstanceSpec]]:
    return {
        "sources": registry.sources,
        "accounts": registry.exchanges,
        "notifiers": registry.notifiers,
        "risk_checks": registry.risk_checks,
        "observers": registry.observers,
    }


def _registry(settings: Settings, plugin: str, used: Mapping[str, str]) -> Registry:
    from te_core.plugins.registry import Registry

    registry = Registry(used=used)
    stated = settings.origin.location(("engine", "plugins_dir")).file
    registry.look_in(settings.plugins_folder(Path(stated).parent) if stated else None)
    asyncio.run(registry.ensure([plugin], settings.pinned_plugins()))
    return registry


def _instances(settings: Settings) -> Iterator[tuple[str, str, str]]:
    for group in GROUPS:
        yield from ((group, name, section.plugin) for name, section in getattr(settings, group).items())


def _names(entries: list[tuple[str, str, str]]) -> str:
    return ", ".join(f"{group}.{name}" for group, name, _ in entries)


def _free(name: str, taken: Container[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free
