"""What stands before an exchange and answers in its place: country blocks and bot protection.

Both use 403, and so do exchanges for limits and keys: what tells them apart is what the answer says. Sources: the
``cf-mitigated`` header is Cloudflare's sign of every challenge; 1009 and 1020 are its codes for a country and a rule;
the pages of CloudFront and Akamai are as users of several exchanges have reported them.
"""

from __future__ import annotations

from collections.abc import Mapping

from te_exchange_ccxt.trouble import Trouble

LEGALLY_UNAVAILABLE = 451
WALLED = frozenset({403, 429, 451, 503})
"""Statuses that walls use; a challenge may come with 429 and 503, too."""
LONGEST = 16_384
"""Characters of a page that are looked at: what it says stands at its beginning."""

BORDER_WORDS = (
    "block access from your country",
    "banned the country or region",
    "not available in your country",
    "not available in your region",
    "restricted location",
    "restricted country",
    "error code: 1009",
    "error 1009",
)
BOT_WORDS = (
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


def wall(status: int, headers: Mapping[str, str], text: str) -> Trouble | None:
    """Recognise an answer that came from a wall; None for any other. ``headers``: names in lower case."""
    if headers.get("cf-mitigated"):
        return Trouble.BOT_PROTECTION
    if status not in WALLED:
        return None
    said = " ".join(text[:LONGEST].lower().split())
    if status == LEGALLY_UNAVAILABLE or any(words in said for words in BORDER_WORDS):
        return Trouble.REGION
    is_page = not said.startswith(("{", "["))
    return Trouble.BOT_PROTECTION if is_page and any(words in said for words in BOT_WORDS) else None
