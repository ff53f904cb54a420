"""The difference between two resolved settings, so that only what an edit affects is restarted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

from pydantic import BaseModel

from te_core.settings.resolution import Kind, Resolved
from te_core.settings.schema import NotifierSettings, Settings, SourceSettings
from te_core.settings.section import PluginSection

Names = tuple[str, ...]
PARTS = ("limits", "engine", "logs", "notices")
"""Sections of the core that are applied without a restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Names of instances of one kind."""

    start: Names = ()
    stop: Names = ()
    rebuild: Names = ()
    update: Names = ()
    """The instance keeps running, only the core's use of it changes."""

    def __bool__(self) -> bool:
        return bool(self.start or self.stop or self.rebuild or self.update)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What an edit changes; false if it changes nothing."""

    sources: Changes = Changes()
    accounts: Changes = Changes()
    notifiers: Changes = Changes()
    risk_checks: Changes = Changes()
    observers: Changes = Changes()
    symbols: Names = ()
    """Those that were added, removed or edited."""
    limits: bool = False
    engine: bool = False
    logs: bool = False
    notices: bool = False
    restart: Names = ()
    """Keys that apply only from the next start."""

    def __bool__(self) -> bool:
        return any(getattr(self, part.name) for part in fields(self))

    def of(self, kind: Kind) -> Changes:
        """Return the changes of one kind."""
        changes: Changes = getattr(self, kind)
        return changes

    def lines(self) -> Iterator[str]:
        """Return one line for the log for each change."""
        for kind in get_args(Kind):
            changes = self.of(kind)
            for part in fields(changes):
                for name in getattr(changes, part.name):
                    yield f"{part.name} {kind}.{name}"
        yield from (f"update symbols.{name}" for name in self.symbols)
        yield from (f"update {part}" for part in PARTS if getattr(self, part))
        yield from (f"{key} has changed: restart the engine to apply it" for key in self.restart)


def difference(old: Resolved | None, new: Resolved) -> Difference:
    """Compare two settings; without ``old`` everything starts, and nothing needs a restart."""
    before = old.settings if old else Settings()
    after = new.settings
    return Difference(
        sources=_changes(_instances(old, "sources"), _instances(new, "sources")),
        accounts=_changes(_instances(old, "accounts"), _instances(new, "accounts")),
        notifiers=_changes(_instances(old, "notifiers"), _instances(new, "notifiers")),
        risk_checks=_changes(_instances(old, "risk_checks"), _instances(new, "risk_checks")),
        observers=_changes(_instances(old, "observers"), _instances(new, "observers")),
        symbols=_different(before.symbols, after.symbols),
        limits=before.limits != after.limits,
        engine=before.engine != after.engine,
        logs=before.logs != after.logs,
        notices=before.notices != after.notices,
        restart=tuple(_restart(before, after)) if old else (),
    )


@dataclass(frozen=True, slots=True)
class _Instance:
    """The settings of an instance, by what a change of them requires."""

    built: tuple[Any, ...]
    """The settings that the instance was built from."""
    steered: dict[str, Any]
    """The settings that only the core uses."""


def _instances(resolved: Resolved | None, kind: Kind) -> dict[str, _Instance]:
    """Return the running instances of a kind. A source's symbol mapping is among the settings it is built from."""
    if resolved is None:
        return {}
    return {
        name: _instance(resolved.sections(kind)[name], options)
        for name, options in resolved.options(kind).items()
    }


def _instance(section: PluginSection, options: BaseModel) -> _Instance:
    symbols = section.symbols if isinstance(section, SourceSettings) else None
    control = section.control if isinstance(section, NotifierSettings) else None
    steered = {key: value for key, value in section if key not in {"plugin", "options", "symbols", "control"}}
    return _Instance((section.plugin, options, symbols, control), steered)


def _changes(old: Mapping[str, _Instance], new: Mapping[str, _Instance]) -> Changes:
    both = sorted(old.keys() & new.keys())
    rebuild = tuple(name for name in both if old[name].built != new[name].built)
    return Changes(
        start=tuple(sorted(new.keys() - old.keys())),
        stop=tuple(sorted(old.keys() - new.keys())),
        rebuild=rebuild,
        update=tuple(n for n in both if n not in rebuild and old[n].steered != new[n].steered),
    )


def _different(old: Mapping[str, Any], new: Mapping[str, Any]) -> Names:
    return tuple(sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key)))


def _restart(old: Settings, new: Settings) -> Iterator[str]:
    for part in ("public", "private"):
        if getattr(old.listen, part) != getattr(new.listen, part):
            yield f"listen.{part}"
    if old.engine.plugins_dir != new.engine.plugins_dir:
        yield "engine.plugins_dir"
    if old.page != new.page:
        yield "page"
    before, after = old.pinned_plugins(), new.pinned_plugins()
    yield from (f"plugins.{name}.distribution" for name in _different(before, after))
    for part in ("journal", "tracing"):
        if getattr(old, part) != getattr(new, part):
            yield part
