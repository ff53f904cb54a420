"""The history in the journal, as JSON values for the API and the commands. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from te_core.journal.pages import Order
from te_core.model.event import Event
from te_core.model.money import Fill, Flow
from te_core.model.order import IntentState
from te_core.model.signal import QuarantinedInput, Signal
from te_core.reporting.activity import Activity, names_of, outcome, problems, title
from te_core.reporting.explain import show_signal, text


def shown_order(number: int, order: Order, names: Mapping[str, str]) -> dict[str, Any]:
    """Return an order with its outcome and cost. ``names``: the names of accounts, by book.

    ``price`` is the average; null, like the fee, if the exchange did not report it: a reference price never replaces
    it. ``realised``: by average cost, before fees; if that is unknown, as the exchange reports it.
    """
    intent, order_outcome, state = order.record.intent, order.record.outcome, order.record.state
    fill = order.fill
    price = order_outcome.average_price if order_outcome is not None else None
    ended = order_outcome is not None and state is not IntentState.FILLED
    return {
        "number": number,
        "client_order_id": intent.client_order_id,
        "created_at": text(intent.created_at),
        "account": names.get(intent.account, intent.account),
        "symbol": intent.symbol,
        "side": str(intent.side),
        "quantity": text(intent.quantity),
        "reduce_only": intent.reduce_only,
        "stop": None if intent.stop is None else str(intent.stop),
        "state": str(state),
        "settled_at": None if order_outcome is None else text(order_outcome.at),
        "filled": None if order_outcome is None else text(order_outcome.filled),
        "reason": order_outcome.reason if order_outcome is not None and ended else "",
        "reference_price": text(intent.reference_price),
        "price": text(fill.price if fill is not None and fill.price is not None else price),
        **_cost(fill),
        "cause": None if intent.cause is None else str(intent.cause),
        "caused_at": text(intent.caused_at),
        "revision": intent.revision,
        "step": intent.step,
        "chunk": intent.chunk,
        "leverage": intent.leverage,
        "margin_mode": str(intent.margin_mode),
    }


def _cost(fill: Fill | None) -> dict[str, Any]:
    if fill is None:
        return {"fee": None, "fee_currency": "", "realised": None, "shares": {}}
    return {
        "fee": text(fill.fee),
        "fee_currency": fill.fee_currency,
        "realised": text(fill.gained if fill.gained is not None else fill.realised),
        "shares": {source: text(share) for source, share in fill.shares.items()},
    }


def shown_event(number: int, event: Event) -> dict[str, Any]:
    """Return an event as JSON values."""
    return {
        "number": number,
        "at": text(event.at),
        "kind": event.kind,
        "source": event.source,
        "account": event.account,
        "symbol": event.symbol,
        "text": event.text,
        "detail": dict(event.detail),
    }


def shown_flow(number: int, flow: Flow, names: Mapping[str, str]) -> dict[str, Any]:
    """Return a payment without an order as JSON values."""
    return {
        "number": number,
        "at": text(flow.at),
        "account": names.get(flow.account, flow.account),
        "kind": str(flow.kind),
        "symbol": flow.symbol,
        "amount": text(flow.amount),
        "key": flow.key,
    }


def shown_signal(number: int, signal: Signal) -> dict[str, Any]:
    """Return an accepted signal as JSON values, with the details that its source stored."""
    return {
        "number": number,
        "source": signal.source,
        "symbol": signal.symbol,
        "current": signal.current,
        **show_signal(signal),
        "detail": dict(signal.detail),
    }


def shown_refusal(number: int, refused: QuarantinedInput) -> dict[str, Any]:
    """Return refused input as JSON values."""
    return {
        "number": number,
        "source": refused.source,
        "received_at": text(refused.received_at),
        "field": refused.field,
        "reason": refused.reason,
        "body": refused.body,
    }


def shown_activity(activity: Activity, names: Mapping[str, str]) -> dict[str, Any]:
    """Return an activity as JSON values, with a title and its orders. Latencies in milliseconds."""
    sent, done = activity.sent_after, activity.done_after
    about = activity.signal or activity.event or activity.refused
    symbols = dict.fromkeys(order.record.intent.symbol for _, order in activity.orders)
    symbol = getattr(about, "symbol", None) if about is not None else None
    event = activity.event
    return {
        "number": activity.number,
        "at": text(activity.at),
        "kind": str(activity.kind),
        "title": title(activity, names),
        "outcome": outcome(activity),
        "problems": problems(activity, names),
        "source": getattr(about, "source", None),
        "symbol": symbol if symbol is not None else next(iter(symbols), None) if len(symbols) == 1 else None,
        "accounts": names_of(activity, names)
        or ([event.account] if event is not None and event.account else []),
        "cause": None if activity.cause is None else str(activity.cause),
        "event_kind": event.kind if event is not None else None,
        "sent_ms": None if sent is None else round(sent.total_seconds() * 1000, 1),
        "done_ms": None if done is None else round(done.total_seconds() * 1000, 1),
        "orders": [shown_order(number, order, names) for number, order in activity.orders],
    }
