"""The HTTP responses to senders. TradingView ignores the body; people who try an alert with curl read it."""

from __future__ import annotations

import math

from te_core.api import Publication, Signal, SignalRejected, WebhookResponse

_RETRY_AFTER = 5
"""Seconds. TradingView sends again 5 s after a 5xx (but not after a 504)."""

_LONGEST = 300


def published(signal: Signal, publication: Publication) -> WebhookResponse:
    """Respond to an alert whose signal is durable."""
    body = {"status": publication.value, "symbol": signal.symbol, "depth": f"{signal.depth:f}"}
    return WebhookResponse(status=200, body=body)


def refused(status: int, error: SignalRejected) -> WebhookResponse:
    """Respond to a body that cannot become a signal."""
    return _error(status, error.field, error.reason, error.hint)


def wrong_method() -> WebhookResponse:
    """Respond to any method but POST."""
    return _error(405, "", "only POST is accepted here")


def forbidden() -> WebhookResponse:
    """Respond to an address that is not on the allow-list.

    The status is 503, not 403: TradingView may have a new address, or the proxy in front may be missing from
    ``trusted_proxies``, and TradingView never sends again after a 4xx.
    """
    return _error(503, "", "this address may not send alerts", retry_after=_RETRY_AFTER)


def unauthorised() -> WebhookResponse:
    """Respond to a bad or missing token. Always the same, whatever was wrong with it."""
    return _error(401, "token", "unauthorised")


def locked_out(seconds: float) -> WebhookResponse:
    """Respond to one more bad token from an address that is locked out."""
    wait = max(1, math.ceil(seconds))
    return _error(
        429, "token", "too many bad tokens from this address", f"try again in {wait} s", retry_after=wait
    )


def not_persisted() -> WebhookResponse:
    """Respond to an alert that could not be persisted: nothing has changed, and the sender should try again."""
    hint = "nothing was persisted: send it again"
    return _error(503, "", "the signal could not be made durable", hint, retry_after=_RETRY_AFTER)


def _error(
    status: int, field: str, reason: str, hint: str = "", *, retry_after: int | None = None
) -> WebhookResponse:
    error = {"field": field[:_LONGEST], "reason": reason[:_LONGEST], "hint": hint[:_LONGEST]}
    return WebhookResponse(status=status, body={"error": error}, retry_after=retry_after)
