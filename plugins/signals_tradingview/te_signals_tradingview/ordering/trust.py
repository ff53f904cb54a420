"""The rules of ``ordering = "trust"``: the evidence in the alerts decides.

The rules are tried from the most to the least trustworthy evidence, and the first that applies decides. Nothing waits:
the current alert has been acted on; the new one takes over, or belongs before it and is only persisted
(``docs/tradingview.md`` has the table). Pure: what a decision needs to know of the past is in the signals that the
journal returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from te_core.api import Signal
from te_signals_tradingview.formats.alert import Alert
from te_signals_tradingview.formats.stated_position import StatedPosition
from te_signals_tradingview.ordering.decision import OrderingDecision
from te_signals_tradingview.ordering.evidence import (
    by_event_id,
    by_position,
    by_sequence,
    by_time,
    same_second,
)

RESENDS = timedelta(seconds=30)
"""TradingView's last resend of an alert that got a 5xx comes some 15 to 25 s after the first attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """How far apart two alerts of a pair may arrive."""

    reopening: timedelta = timedelta(seconds=5)
    """A close and a reopening."""
    from_flat: timedelta = timedelta(seconds=1)
    """An opening and its close, if nothing was held before both."""


_WINDOWS = Windows()


def order_alert(
    new: Alert,
    *,
    latest: Signal | None,
    arrived: Signal | None = None,
    symbol: str = "",
    windows: Windows = _WINDOWS,
) -> OrderingDecision:
    """Decide whether an alert that has just arrived takes over from the latest current signal of its symbol.

    ``arrived`` is the signal that arrived last; if it is not ``latest``, it was ordered before it, so ``latest`` has
    its counterpart already. The rules, by name:

    - ``first``: there is no current signal.
    - ``other_side``: it closes a long while a short is active, or the reverse, so it has nothing to close.
    - ``sequence``, ``event_id`` (of a pair, numbers only), ``previous_position``, ``time``: evidence in the alerts.
    - ``close_then_open``, ``exit``, ``open_then_close``: a flat and a position within the window, by what was held.
    - ``arrival``: otherwise the later arrival is the newer.
    """
    del symbol  # the rules are the same for every symbol
    if latest is None:
        return OrderingDecision(current=True, rule="first")
    if new.closes and latest.depth * new.closes < 0:
        return OrderingDecision(current=False, rule="other_side")
    current, rule = _decide(new, latest, arrived is None or arrived is latest, windows)
    return OrderingDecision(current=current, rule=rule, detail=_detail(latest) if current else {})


def _decide(new: Alert, latest: Signal, single: bool, windows: Windows) -> tuple[bool, str]:
    order = by_sequence(new.sequence, latest.sequence)
    if order:
        return order > 0, "sequence"
    before = _depth_before(latest)
    pair = (
        (new.depth == 0) != (latest.depth == 0)
        and single
        and _within(new, latest, windows.from_flat if before == 0 else windows.reopening)
    )
    order = by_event_id(new, latest) if pair else 0
    if order:
        return order > 0, "event_id"
    if new.previous_position is not None:
        order = by_position(new, latest, _position_before(latest, before), single=single)
        if order > 0 or (order < 0 and new.received_at - latest.received_at <= RESENDS):
            return order > 0, "previous_position"
    order = by_time(new, latest)
    if order:
        return order > 0, "time"
    # Two alerts that both state where they started, but do not fit together, have others between them: not a pair.
    stated = new.previous_position is not None and "from" in latest.detail
    return _by_depth_before(latest, before) if pair and not stated else (True, "arrival")


def _by_depth_before(latest: Signal, before: Decimal | None) -> tuple[bool, str]:
    """Order a position and a flat by what was held before both."""
    if before is None:
        return True, "arrival"
    if before == 0:
        return latest.depth != 0, "open_then_close"
    if before * latest.depth > 0:
        return True, "exit"
    return latest.depth == 0, "close_then_open"


def _depth_before(latest: Signal) -> Decimal | None:
    """Return the depth that was active before the latest signal; None if it is unknown."""
    stored = latest.detail.get("before")
    return None if stored is None else Decimal(stored)


def _position_before(latest: Signal, before: Decimal | None) -> StatedPosition | None:
    """Return the strategy's own position before the latest signal, else the side of the depth before it."""
    stated = StatedPosition.from_detail(latest.detail.get("was"))
    return stated if stated is not None or before is None else StatedPosition.of_depth(before)


def _detail(latest: Signal) -> dict[str, Any]:
    """Return what the next decision needs to know about the signal that is superseded now."""
    stated = latest.detail.get("position")
    return {"before": f"{latest.depth:f}", **({} if stated is None else {"was": stated})}


def _within(new: Alert, latest: Signal, window: timedelta) -> bool:
    apart = abs(new.received_at - latest.received_at)
    return apart <= window or (apart <= RESENDS and same_second(new, latest))
