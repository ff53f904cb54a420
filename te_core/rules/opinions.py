"""What the sources' signals count for under the operator's policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from te_core.model.policy import SourcePolicy
from te_core.model.signal import Signal
from te_core.rules.blend import Opinion

Due = Callable[[str], datetime | None]
"""Return when a source must be heard from again; None where nothing is expected of it."""

SaidAt = Callable[[Signal], datetime]
"""Return when a signal was said, on the clock by which it expires."""

Policies = Mapping[str, SourcePolicy]


def expectations(policies: Policies) -> dict[str, timedelta]:
    """Return how often each enabled source should be heard from, where its policy says so."""
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


def expiring_opinions(
    weighted: Iterable[tuple[Iterable[str], Mapping[str, Signal]]],
    policies: Policies,
    due: Due,
    said_at: SaidAt,
) -> list[Opinion]:
    """Return every opinion that counts somewhere and can expire; most cannot.

    ``weighted`` has, for each symbol, the sources with a weight and the newest signal of each source.
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
    """Return what a signal counts for; None for one whose source the settings do not have."""
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
