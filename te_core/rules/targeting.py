"""Turns a blend into one account's target: overrides, caps, and what a disabled account may still want. Pure."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from te_core.model.policy import AccountPolicy, Limits
from te_core.model.target import Blend, Target
from te_core.rules.blend import target_changed

ZERO = Decimal(0)


def target_for(
    blend: Blend | None,
    old: Target | None,
    *,
    account: str,
    symbol: str,
    policy: AccountPolicy,
    limits: Limits,
    enabled: bool,
    now: datetime,
    flat: str = "",
) -> Target | None:
    """Return the target that replaces ``old``, or None if nothing changes.

    For a disabled account, and for a symbol without weights, the target can only be flat; if there never was a
    target, there is nothing to close. ``flat``: why everything is closed whatever the blend; empty if it
    is not.
    """
    enabled = enabled and not flat
    depth = blend.depth if blend is not None and enabled else ZERO
    if depth == 0 and old is None and (blend is None or not enabled or not _has_signal(blend)):
        return None
    leverage = policy.leverage or (blend.leverage if blend else 1)
    if limits.leverage is not None:
        leverage = min(leverage, limits.leverage)
    new = Target(
        account=account,
        symbol=symbol,
        revision=old.revision + 1 if old else 1,
        depth=depth,
        leverage=leverage,
        margin_mode=policy.margin_mode,
        reason=flat or _reason(blend, enabled=enabled),
        created_at=now,
        price=blend.price if blend else None,
        terms=blend.terms if blend else (),
    )
    return new if old is None or target_changed(old, new) else None


def _has_signal(blend: Blend) -> bool:
    """Return whether any source has sent a signal: otherwise depth 0 does not mean that it wants to be flat."""
    return any(part.time is not None for part in blend.terms)


def _reason(blend: Blend | None, *, enabled: bool) -> str:
    if not enabled:
        return "account disabled"
    if blend is None:
        return "symbol no longer in the settings"
    stated = [part for part in blend.terms if part.time is not None]
    newest = max(stated, key=lambda part: str(part.time), default=None)
    return f"signals, newest from {newest.source}" if newest else "no source has an opinion"
