"""MEXC's signature: hex HMAC-SHA256 over key, time and the sorted query (GET, DELETE) or the body as sent (POST)."""

from __future__ import annotations

import hashlib
import hmac


def sign(secret: str, *, key: str, timestamp: str, payload: bytes = b"") -> str:
    """Return the Signature header of a request; without a payload, that of a stream's login."""
    return hmac.new(secret.encode(), f"{key}{timestamp}".encode() + payload, hashlib.sha256).hexdigest()


def sorted_query(query: str) -> bytes:
    """The query as it is signed: by name, each part encoded as sent."""
    return "&".join(sorted(query.split("&"), key=lambda part: part.partition("=")[0])).encode()
