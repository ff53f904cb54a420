"""What the sources' signals count for under the present settings. Pure."""

from __future__ import annotations

from te_core.engine.blend import Opinion
from te_core.engine.intake import Intake
from te_core.model.signal import Signal
from te_core.settings.schema import Settings


def opinions_on(symbol: str, settings: Settings, intake: Intake) -> dict[str, Opinion]:
    """Give every source's opinion on a symbol."""
    return {
        source: opinion
        for source, signal in intake.in_force(symbol).items()
        if (opinion := _opinion(settings, signal)) is not None
    }


def mortal_opinions(settings: Settings, intake: Intake) -> list[Opinion]:
    """Give every opinion that counts somewhere and can expire: most can not."""
    mortal = {name for name, source in settings.sources.items() if source.max_age is not None}
    return [
        opinion
        for symbol, section in (settings.symbols.items() if mortal else ())
        for source, signal in intake.in_force(symbol).items()
        if source in mortal and source in section.weights
        if (opinion := _opinion(settings, signal)) is not None
    ]


def _opinion(settings: Settings, signal: Signal) -> Opinion | None:
    section = settings.sources.get(signal.source)
    if section is None:
        return None
    return Opinion(
        signal=signal,
        max_age=section.max_age,
        on_expiry=section.on_expiry,
        enabled=section.enabled and settings.plugin_enabled(section.plugin),
    )
