"""How ``te`` verifies that this engine is responding, before it sends its token.

The engine writes a nonce to ``engine.json``, which only its owner can read. It responds to a challenge with a value
that cannot be computed without that nonce; another program that listens on the port cannot do that.
"""

from __future__ import annotations

import hmac


def proof(nonce: str, challenge: str) -> str:
    """Return the response to a challenge."""
    return hmac.digest(nonce.encode(), challenge.encode("utf-8", "replace"), "sha256").hex()


def is_proof(given: object, nonce: str, challenge: str) -> bool:
    """Return whether a response to a challenge is correct."""
    return isinstance(given, str) and hmac.compare_digest(given.encode(), proof(nonce, challenge).encode())
