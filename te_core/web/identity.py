"""How ``te`` makes sure that it is this engine which answers, before it shows its token.

The engine writes a nonce into ``engine.json``, which only its owner can read. Asked with a challenge it answers with
what nobody can compute without that nonce; another program on the port, or one that listened before, cannot.
"""

from __future__ import annotations

import hmac


def proof(nonce: str, challenge: str) -> str:
    """Return the answer to a challenge."""
    return hmac.digest(nonce.encode(), challenge.encode("utf-8", "replace"), "sha256").hex()


def is_proof(given: object, nonce: str, challenge: str) -> bool:
    """Return whether an answer is the right one."""
    return isinstance(given, str) and hmac.compare_digest(given.encode(), proof(nonce, challenge).encode())
