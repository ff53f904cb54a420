"""Bybit's signature: hex HMAC-SHA256 over time, key, window and the query or body exactly as sent."""

from __future__ import annotations

import hashlib
import hmac


def sign(secret: str, *, key: str, timestamp: str, window: str, payload: bytes) -> str:
    """Return the X-BAPI-SIGN of a request."""
    message = f"{timestamp}{key}{window}".encode() + payload
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def sign_stream(secret: str, *, expires: str) -> str:
    """The third argument of a stream's "auth"."""
    return hmac.new(secret.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()
