"""Finds settings that are valid but most likely a mistake, for ``te check`` and for wizards before they write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from te_core.errors import nearest
from te_core.model.event import EVERY_KIND, KINDS

if TYPE_CHECKING:
    from te_core.app.paths import Paths
    from te_core.plugins.registry import Registry
    from te_core.settings.schema import Settings

Largest = Mapping[str, Mapping[str, int]]
"""Account -> symbol -> the largest leverage that its exchange allows, if known."""


def largest_leverages(paths: Paths, symbols: Iterable[str]) -> Largest:
    """Return what a running engine's accounts allow; empty if none is running, as only a connected account knows."""
    from te_core.cli.offers import offers

    return {
        name: {symbol: each["largest_leverage"] for symbol, each in found.items() if each["largest_leverage"]}
        for name, found in (offers(paths, symbols) or {}).items()
    }


def loose_ends(settings: Settings, registry: Registry, largest: Largest) -> Iterator[str]:
    """Yield a warning for each, with what to do."""
    yield from _mappings(settings)
    yield from _kinds(settings, registry)
    yield from _leverages(settings, largest)


def _mappings(settings: Settings) -> Iterator[str]:
    """Yield symbols that are mapped but not traded, and symbols that have weight but no mapping."""
    for name, source in settings.sources.items():
        targets = dict.fromkeys(source.symbols.values())
        weighted = {symbol for symbol, section in settings.symbols.items() if section.weights.get(name)}
        if without := [symbol for symbol in targets if symbol not in settings.symbols]:
            yield (
                f"sources.{name} maps {', '.join(without)} without a weight: te configure weights, "
                f"or te remove symbol {without[0]}"
            )
        if targets and (unmapped := sorted(weighted - targets.keys())):
            yield f"sources.{name} has weight for {', '.join(unmapped)} and maps nothing to it: te configure mappings"


def _kinds(settings: Settings, registry: Registry) -> Iterator[str]:
    """Yield event kinds that nothing is known to record. Plugins may record undeclared kinds: a warning only."""
    kinds = [spec.event_kinds for spec in registry.sources.values()]
    kinds += [spec.event_kinds for spec in registry.exchanges.values()]
    known = [*KINDS, *(kind for found in kinds for kind in found)]
    for name, notifier in settings.notifiers.items():
        for key in ("kinds", "mute", "critical"):
            for kind in getattr(notifier, key):
                if kind not in known and (key, kind) != ("kinds", EVERY_KIND):
                    yield f"notifiers.{name}.{key}: no event is of kind {kind}{nearest(kind, known)}"


def _leverages(settings: Settings, largest: Largest) -> Iterator[str]:
    """Yield leverages that no account can reach: above its limits, or above its exchange's maximum if known."""
    for symbol, section in settings.symbols.items():
        allowed = [_allowed(settings, name, largest.get(name, {}).get(symbol)) for name in _traded(settings)]
        known = [most for most in allowed if most is not None]
        if known and len(known) == len(allowed) and section.leverage > max(known):
            yield f"symbols.{symbol}.leverage is {section.leverage}, and no account allows more than {max(known)}"


def _traded(settings: Settings) -> Iterator[str]:
    """Yield the enabled accounts that use the symbols' leverage."""
    yield from (
        name for name, section in settings.accounts.items() if section.enabled and not section.leverage
    )


def _allowed(settings: Settings, name: str, exchange: int | None) -> int | None:
    bounds = (settings.limits.leverage, settings.accounts[name].limits.leverage, exchange)
    return min((bound for bound in bounds if bound is not None), default=None)
