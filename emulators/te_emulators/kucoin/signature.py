"""KuCoin's signature: base64 HMAC-SHA256 over time, method, path with query and body exactly as sent."""

from __future__ import annotations

import base64
import hashlib
import hmac


def sign(secret: str, *, timestamp: str, method: str, path: str, body: bytes = b"") -> str:
    """The KC-API-SIGN of a request; ``path`` with its query."""
    return _digest(secret, f"{timestamp}{method}{path}".encode() + body)


def sign_passphrase(secret: str, passphrase: str) -> str:
    """The KC-API-PASSPHRASE of keys of version 2 and 3."""
    return _digest(secret, passphrase.encode())


def _digest(secret: str, message: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()
