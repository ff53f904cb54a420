"""The tokens that authenticate a request, and their removal from everything that is shown or persisted."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from hashlib import sha256

from te_core.api import WebhookRequest

FIELD = "token"
"""Name of the query parameter and of the body field."""

SPELLING_RULE = "a token has 16 to 256 characters, only letters, digits and - _ . ~"

_TOKEN = re.compile(r"[A-Za-z0-9_.~-]{16,256}")
_NEAR_FIELD = re.compile(rf"{FIELD}\W{{1,9}}([A-Za-z0-9_.~-]{{16,256}})")
_REMOVED = "***"


def is_token(text: str) -> bool:
    """Return whether a text can be a token: it must need no escaping in a URL or in JSON."""
    return _TOKEN.fullmatch(text) is not None


def in_address(request: WebhookRequest) -> str | None:
    """Return the token presented in the URL: the path's only segment, else the query parameter; None without one."""
    if request.tail:
        return "/".join(request.tail)
    return request.query.get(FIELD)


def in_text(text: str) -> str:
    """Return the token that a body which is not valid JSON seems to present; empty without one."""
    found = _NEAR_FIELD.search(text)
    return found[1] if found else ""


class Tokens:
    """The accepted tokens. Comparison takes the same time whatever is presented."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secrets)
        self._digests = tuple(_digest(secret) for secret in self._secrets)
        self._spellings = re.compile("|".join(_spellings(secret) for secret in self._secrets))

    def accept(self, presented: str) -> bool:
        """Return whether a token is one of ours. Compares with every token, without stopping at a match."""
        digest = _digest(presented)
        matches = [hmac.compare_digest(digest, own) for own in self._digests]
        return any(matches)

    def remove(self, text: str) -> str:
        """Replace every token by ``***``, including spellings with JSON's ``\\u`` escapes. JSON stays JSON."""
        if "\\u" in text or any(secret in text for secret in self._secrets):
            return self._spellings.sub(_REMOVED, text)
        return text


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _spellings(secret: str) -> str:
    return "".join(rf"(?:{re.escape(char)}|\\u(?i:{ord(char):04x}))" for char in secret)
