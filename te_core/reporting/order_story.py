"""Why an order was created and its outcome, as JSON values: from the signals to the fee. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from te_core.journal.order_lookup import OrderHistory
from te_core.reporting.activity import caused_by
from te_core.reporting.explain import explain, explain_signals, text
from te_core.reporting.history_view import shown_order

HUNDRED = Decimal(100)


def order_story(history: OrderHistory, names: Mapping[str, str]) -> dict[str, Any]:
    """Return an order, the arithmetic of its target, its step of the plan, and its latencies in milliseconds.

    ``explanation``: null if the journal no longer contains its target.
    """
    intent, order_outcome = history.order.record.intent, history.order.record.outcome
    target = history.target
    steps = dict.fromkeys(order.record.intent.step for _, order in history.siblings)
    chunks = [order for _, order in history.siblings if order.record.intent.step == intent.step]
    signals = {signal.source: signal for signal in history.signals}
    cause = caused_by(history.order)
    return {
        "order": shown_order(history.number, history.order, names),
        "explanation": None if target is None else explain(target, history.goal, history.confirmation),
        "signals": explain_signals(signals),
        "followed_at_once": cause is not None,
        "plan": {
            "steps": len(steps),
            "step": list(steps).index(intent.step) + 1 if intent.step in steps else None,
            "orders_in_step": len(chunks),
            "orders": [shown_order(number, order, names) for number, order in history.siblings],
        },
        "latency": {
            "cause_to_sent_ms": None
            if intent.caused_at is None
            else _ms(intent.created_at - intent.caused_at),
            "sent_to_known_ms": None if order_outcome is None else _ms(order_outcome.at - intent.created_at),
        },
        "slippage_percent": _slippage(history),
    }


def _ms(span: Any) -> float:
    return float(round(span.total_seconds() * 1000, 1))


def _slippage(history: OrderHistory) -> str | None:
    """Return how much worse than at its reference price it was filled, in percent; below zero if better."""
    intent, fill = history.order.record.intent, history.order.fill
    if fill is None or fill.price is None or not intent.reference_price:
        return None
    worse = intent.side.sign * (fill.price - intent.reference_price) / intent.reference_price * HUNDRED
    return text(worse.quantize(Decimal("0.0001")))
