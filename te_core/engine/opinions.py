"""What the sources' signals count for under the present settings. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from te_core.engine.blend import Opinion
from te_core.engine.intake import Intake
from te_core.model.signal import Signal
from te_core.settings.schema import Settings

Due = Callable[[str], datetime | None]
"""Tells when a source has to be heard again."""


def expectations(settings: Settings) -> dict[str, timedelta]:
    """Give how often each source should be heard, where the settings say so."""
    return {
        name: source.expect_every
        for name, source in settings.sources.items()
        if source.expect_every is not None and source.enabled and settings.plugin_enabled(source.plugin)
    }


def opinions_on(symbol: str, settings: Settings, intake: Intake, due: Due) -> dict[str, Opinion]:
    """Give every source's opinion on a symbol."""
    return {
        source: opinion
        for source, signal in intake.in_force(symbol).items()
        if (opinion := opinion_of(signal, settings, due)) is not None
    }


def mortal_opinions(settings: Settings, intake: Intake, due: Due) -> list[Opinion]:
    """Give every opinion that counts somewhere and can expire: most can not."""
    mortal = {
        name
        for name, source in settings.sources.items()
        if source.max_age is not None or source.expect_every is not None
    }
    return [
        opinion
        for symbol, section in (settings.symbols.items() if mortal else ())
        for source, signal in intake.in_force(symbol).items()
        if source in mortal and source in section.weights
        if (opinion := opinion_of(signal, settings, due)) is not None
    ]


def opinion_of(signal: Signal, settings: Settings, due: Due) -> Opinion | None:
    """Give what a signal counts for; None for one whose source the settings do not have."""
    section = settings.sources.get(signal.source)
    if section is None:
        return None
    return Opinion(
        signal=signal,
        max_age=section.max_age,
        on_expiry=section.on_expiry,
        due=due(signal.source),
        expect_every=section.expect_every,
        enabled=section.enabled and settings.plugin_enabled(section.plugin),
    )
