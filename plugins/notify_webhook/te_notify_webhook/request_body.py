"""Formats an event as text and as a request body. Pure."""

from __future__ import annotations

import json
from typing import Any

from te_core.api import Event
from te_notify_webhook.options import WebhookNotifierOptions


def line(event: Event) -> str:
    """Return an event on one line: ``outage bybit-main BTCUSDT: prices: …``."""
    where = [part for part in (event.source, event.account, event.symbol) if part]
    return f"{' '.join([event.kind, *where])}: {event.text}"


def body(event: Event, options: WebhookNotifierOptions) -> tuple[bytes, str]:
    """Return a request's body and its content type."""
    if options.body == "text":
        return line(event).encode(), "text/plain; charset=utf-8"
    content: dict[str, Any] = {options.text_key: line(event)} if options.body == "message" else whole(event)
    return json.dumps({**content, **options.fields}, default=str).encode(), "application/json"


def whole(event: Event) -> dict[str, Any]:
    """Return all fields of an event."""
    return {
        "at": event.at.isoformat(),
        "kind": event.kind,
        "text": event.text,
        "source": event.source,
        "account": event.account,
        "symbol": event.symbol,
        "detail": dict(event.detail),
    }
