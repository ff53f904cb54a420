"""What senders are told. TradingView ignores the body; people who set up an alert with curl read it."""

from __future__ import annotations

import math

from te_core.api import Publication, Signal, SignalRejected, WebhookResponse

_RETRY_AFTER = 5
"""Seconds. TradingView sends again 5 s after a 5xx (but not after a 504)."""

_LONGEST = 300


def taken(signal: Signal, publication: Publication) -> WebhookResponse:
    """Answer a signal that is durable."""
    body = {"status": publication.value, "symbol": signal.symbol, "depth": f"{signal.depth:f}"}
    return WebhookResponse(status=200, body=body)


def refused(status: int, error: SignalRejected) -> WebhookResponse:
    """Answer input that cannot become a signal."""
    return _error(status, error.field, error.reason, error.hint)


def wrong_method() -> WebhookResponse:
    """Answer anything but POST."""
    return _error(405, "", "only POST is taken here")


def forbidden() -> WebhookResponse:
    """Answer an address that is not on the allow-list: 503, for TradingView may have got a new one, or the proxy in
    front is not in ``trusted_proxies``, and it never sends again what it got a 4xx for.
    """
    return _error(503, "", "this address may not send alerts", retry_after=_RETRY_AFTER)


def unauthorised() -> WebhookResponse:
    """Answer a bad or missing token: always the same, whatever was wrong with it."""
    return _error(401, "token", "unauthorised")


def locked_out(seconds: float) -> WebhookResponse:
    """Answer one more wrong token of an address that is locked out."""
    wait = max(1, math.ceil(seconds))
    return _error(
        429, "token", "too many bad tokens from this address", f"try again in {wait} s", retry_after=wait
    )


def not_kept() -> WebhookResponse:
    """Answer a signal that could not be written down: nothing has changed, the sender should try again."""
    hint = "nothing was kept: send it again"
    return _error(503, "", "the signal could not be made durable", hint, retry_after=_RETRY_AFTER)


def _error(
    status: int, field: str, reason: str, hint: str = "", *, retry_after: int | None = None
) -> WebhookResponse:
    error = {"field": field[:_LONGEST], "reason": reason[:_LONGEST], "hint": hint[:_LONGEST]}
    return WebhookResponse(status=status, body={"error": error}, retry_after=retry_after)
