"""From an alert and its ordering decision to a signal. Pure."""

from __future__ import annotations

from typing import Any

from te_core.api import Signal
from te_signals_tradingview.formats.alert import Alert
from te_signals_tradingview.formats.stated_position import StatedPosition
from te_signals_tradingview.ordering.decision import OrderingDecision


def build_signal(
    alert: Alert,
    decision: OrderingDecision,
    *,
    source: str,
    symbol: str,
    latest: Signal | None,
    delivery_id: str,
    raw: str = "",
) -> Signal:
    """Build the signal of an alert.

    ``symbol`` is the engine's symbol, ``latest`` the current signal before this one. ``raw`` is the body as it came,
    without secrets, for the record.
    """
    detail = _detail(alert)
    detail.update(decision.detail)
    if raw:
        detail["raw"] = raw
    if decision.current and (note := _missed(alert, latest)):
        detail["note"] = note
    return Signal(
        source=source,
        symbol=symbol,
        depth=alert.depth,
        time=alert.time or alert.received_at,
        received_at=alert.received_at,
        leverage=alert.leverage,
        price=alert.price,
        sequence=alert.sequence,
        delivery_id=delivery_id,
        current=decision.current,
        rule=decision.rule,
        exits=alert.exits,
        detail=detail,
    )


def _missed(alert: Alert, latest: Signal | None) -> str:
    """Return a note if the order started from another position than the last alert ended with; else an empty text."""
    if alert.previous_position is None or latest is None:
        return ""
    held = StatedPosition.from_detail(latest.detail.get("position")) or StatedPosition.of_depth(latest.depth)
    return (
        ""
        if alert.previous_position.matches(held)
        else f"its order started from {alert.previous_position}, the last alert ended {held}"
    )


def _detail(alert: Alert) -> dict[str, Any]:
    detail: dict[str, Any] = {"spelling": alert.symbol}
    if alert.product:
        detail["format"] = alert.product
    if alert.fired_field is not None:
        detail["clock"] = alert.fired_field
    if alert.previous_position is not None:
        detail["from"] = alert.previous_position.to_detail()
        detail["position"] = alert.position.to_detail()
    if alert.event_id is not None:
        detail["event_id"] = alert.event_id
    if alert.exits_unread:
        detail["exits_unread"] = list(alert.exits_unread)
    if alert.extra:
        detail["extra"] = alert.extra
    if alert.dropped:
        detail["extra_dropped"] = alert.dropped
    return detail
