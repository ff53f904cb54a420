"""Turns the sources' signals into opinions under the operator's policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from te_core.model.control import Control, ControlState
from te_core.model.policy import SourcePolicy
from te_core.model.signal import Signal
from te_core.rules.blend import Opinion
from te_core.rules.controls import described

Due = Callable[[str], datetime | None]
"""Return when a source must be heard from again; None if no deadline applies."""

SaidAt = Callable[[Signal], datetime]
"""Return when a signal was sent, on the clock by which it expires."""

Policies = Mapping[str, SourcePolicy]


def expectations(policies: Policies) -> dict[str, timedelta]:
    """Return how often each enabled source should be heard from, if its policy defines it."""
    return {
        name: policy.expect_every
        for name, policy in policies.items()
        if policy.expect_every is not None and policy.enabled
    }


def opinions_on(
    signals: Mapping[str, Signal], policies: Policies, due: Due, said_at: SaidAt
) -> dict[str, Opinion]:
    """Return every source's opinion on a symbol; ``signals`` holds the newest signal of each source."""
    return {
        source: opinion
        for source, signal in signals.items()
        if (opinion := opinion_of(signal, policies, due, said_at)) is not None
    }


def with_pauses(
    symbol: str, opinions: Mapping[str, Opinion], pauses: Mapping[str, Control]
) -> Mapping[str, Opinion]:
    """Return the opinions on a symbol, with those of paused sources held as they were or closed."""
    found = dict(opinions)
    for source, pause in pauses.items():
        opinion = found.get(source)
        if opinion is None:
            continue
        note = f"{described(pause)} (signal: {opinion.signal.depth})"
        saved = pause.held.get(symbol) if pause.state is ControlState.HOLD else None
        signal = opinion.signal if saved is None else _saved(opinion.signal, saved)
        found[source] = Opinion(
            signal=signal, enabled=opinion.enabled, paused=note, share_closed=saved is None
        )
    return found


def share_of(opinion: Opinion, now: datetime) -> dict[str, str | None]:
    """Return the part of an opinion that stays while its source is paused, as JSON values."""
    signal = opinion.signal
    depth = signal.depth * opinion.remaining(now) if opinion.enabled else Decimal(0)
    return {
        "depth": f"{depth:f}",
        "leverage": None if signal.leverage is None else f"{signal.leverage:f}",
        "price": None if signal.price is None else f"{signal.price:f}",
        "time": signal.time.isoformat(),
    }


def _saved(signal: Signal, saved: Mapping[str, str | None]) -> Signal:
    def number(name: str) -> Decimal | None:
        text = saved.get(name)
        return None if text is None else Decimal(text)

    return replace(
        signal,
        depth=number("depth") or Decimal(0),
        leverage=number("leverage"),
        price=number("price"),
        time=datetime.fromisoformat(saved.get("time") or signal.time.isoformat()),
    )


def expiring_opinions(
    weighted: Iterable[tuple[Iterable[str], Mapping[str, Signal]]],
    policies: Policies,
    due: Due,
    said_at: SaidAt,
) -> list[Opinion]:
    """Return every opinion that has a weight somewhere and can expire; most cannot.

    ``weighted``: for each symbol, the sources with a weight and the newest signal of each source.
    """
    expiring = {name for name, policy in policies.items() if policy.can_expire}
    return [
        opinion
        for sources, signals in (weighted if expiring else ())
        for source in sources
        if source in expiring and source in signals
        if (opinion := opinion_of(signals[source], policies, due, said_at)) is not None
    ]


def opinion_of(signal: Signal, policies: Policies, due: Due, said_at: SaidAt) -> Opinion | None:
    """Return a signal as an opinion under its source's policy; None if the source is not in the settings."""
    policy = policies.get(signal.source)
    if policy is None:
        return None
    return Opinion(
        signal=signal,
        max_age=policy.max_age,
        on_expiry=policy.on_expiry,
        due=due(signal.source),
        expect_every=policy.expect_every,
        enabled=policy.enabled,
        said_at=said_at(signal),
    )
