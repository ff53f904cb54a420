"""Recognise responses that come from a CDN or firewall in front of the exchange: country blocks and bot protection.

Both use status 403, and so do exchanges for rate limits and keys: only the response's text tells them apart. Sources:
Cloudflare sends the header ``cf-mitigated`` with every challenge and uses 1009 for a country and 1020 for a rule; the
pages of CloudFront and Akamai are as users of several exchanges reported them.
"""

from __future__ import annotations

from collections.abc import Mapping

from te_exchange_ccxt.errors import ErrorKind

LEGALLY_UNAVAILABLE = 451
BLOCK_STATUSES = frozenset({403, 429, 451, 503})
"""Statuses of blocks; challenges may also come with 429 and 503."""
MAX_TEXT = 16_384
"""Characters of a page that are examined: the phrases are near its beginning."""

REGION_PHRASES = (
    "block access from your country",
    "banned the country or region",
    "not available in your country",
    "not available in your region",
    "restricted location",
    "restricted country",
    "error code: 1009",
    "error 1009",
)
BOT_PHRASES = (
    "just a moment",
    "attention required! | cloudflare",
    "sorry, you have been blocked",
    "/cdn-cgi/challenge-platform/",
    "enable javascript and cookies to continue",
    "error code: 1020",
    "error 1020",
    "<title>access denied</title>",
    "<title>ddos-guard</title>",
    "request blocked.",
    "incapsula incident id",
)


def classify_block(status: int, headers: Mapping[str, str], text: str) -> ErrorKind | None:
    """Return the kind of a block, or None for any other response. ``headers`` have lower-case names."""
    if headers.get("cf-mitigated"):
        return ErrorKind.BOT_PROTECTION
    if status not in BLOCK_STATUSES:
        return None
    words = " ".join(text[:MAX_TEXT].lower().split())
    if status == LEGALLY_UNAVAILABLE or any(phrase in words for phrase in REGION_PHRASES):
        return ErrorKind.REGION
    is_page = not words.startswith(("{", "["))
    return ErrorKind.BOT_PROTECTION if is_page and any(phrase in words for phrase in BOT_PHRASES) else None
