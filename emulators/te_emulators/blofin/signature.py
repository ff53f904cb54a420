"""BloFin's signature: base64 of the hex text (not of the bytes) of an HMAC-SHA256."""

from __future__ import annotations

import base64
import hashlib
import hmac

LOGIN = "/users/self/verify"
"""The path that a stream's login signs, like a GET without a body."""


def sign(
    secret: str, *, path: str, method: str = "GET", timestamp: str, nonce: str, body: bytes = b""
) -> str:
    """Return the ACCESS-SIGN of a request; ``path`` with its query, ``body`` as sent."""
    message = f"{path}{method}{timestamp}{nonce}".encode() + body
    return base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).hexdigest().encode()).decode()
