"""Which version last ran here, with which plugins and defaults, so that an upgrade can report what it changes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from te_core import __version__
from te_core.settings import fields
from te_core.settings.attachments import ObserverSettings, RiskCheckSettings
from te_core.settings.files import replace_file
from te_core.settings.listeners import ListenSettings
from te_core.settings.notices import NoticesSettings
from te_core.settings.schema import (
    AccountSettings,
    EngineSettings,
    GlobalLimitSettings,
    JournalSettings,
    LogSettings,
    NotifierSettings,
    SourceSettings,
    SymbolSettings,
    TracingSettings,
)

if TYPE_CHECKING:
    from te_core.plugins.loading import InstanceSpec
    from te_core.plugins.registry import Registry

FILE = "last-run.json"

_CORE: Mapping[str, type[BaseModel]] = {
    "engine": EngineSettings,
    "listen": ListenSettings,
    "logs": LogSettings,
    "journal": JournalSettings,
    "tracing": TracingSettings,
    "limits": GlobalLimitSettings,
    "notices": NoticesSettings,
    "sources.*": SourceSettings,
    "accounts.*": AccountSettings,
    "notifiers.*": NotifierSettings,
    "risk_checks.*": RiskCheckSettings,
    "observers.*": ObserverSettings,
    "symbols.*": SymbolSettings,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """What the version that last ran here recorded about itself."""

    version: str
    plugins: Mapping[str, str]
    """Versions by name."""
    defaults: Mapping[str, str]
    """Defaults by key, as text; keys of a plugin as ``accounts.bybit:settle``."""


def present(registry: Registry) -> LastRun:
    """Return the record of this version, for the core and the loaded plugins."""
    defaults: dict[str, str] = {}
    for prefix, model in _CORE.items():
        defaults |= {f"{prefix}.{name}": value for name, value in _defaults(model)}
    groups: Mapping[str, Mapping[str, InstanceSpec]] = {
        "sources": registry.sources,
        "accounts": registry.exchanges,
        "notifiers": registry.notifiers,
        "risk_checks": registry.risk_checks,
        "observers": registry.observers,
    }
    for group, specs in groups.items():
        for plugin, spec in specs.items():
            own = _defaults(spec.settings)
            defaults |= {f"{group}.{plugin}:{name}": value for name, value in own}
    plugins = {name: report.version for name, report in registry.reports.items() if report.version}
    return LastRun(version=__version__, plugins=plugins, defaults=defaults)


def _defaults(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the keys of a model and of those inside it, with their defaults."""
    for name, info in model.model_fields.items():
        if inner := fields.models((info.annotation,)):
            yield from _defaults(inner[0], f"{prefix}{name}.")
        elif info.default_factory is None:
            yield f"{prefix}{name}", "needed" if info.is_required() else _in_words(info.default)
        else:
            yield f"{prefix}{name}", "computed"


def _in_words(value: Any) -> str:
    return "none" if value is None else str(value)


def read(state: Path) -> LastRun | None:
    """Return the stored record; None if there is none, or it cannot be read."""
    try:
        return LastRun(**json.loads((state / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def remember(state: Path, run: LastRun) -> None:
    """Store a record, if it changed. Raise `OSError` if it cannot be written."""
    if read(state) != run:
        replace_file(state / FILE, json.dumps(asdict(run), indent=1, sort_keys=True) + "\n", mode=0o600)
