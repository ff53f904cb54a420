"""Pairs of a source's spelling and an engine symbol: parses typed pairs and detects likely mistakes."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

_BETWEEN = re.compile(r"\s*(?:->|=>|→|=)\s*|\s+")
_QUOTES = ("USDT", "USDC", "USD", "EUR")
_SETTLE_COINS = ("USDT", "USDC")
_SUFFIXES = (".P", "-PERP", "_PERP", "PERP", "-SWAP", "_SWAP", "SWAP", "M")
"""Marks of a perpetual; ``M`` is KuCoin's."""
_SAME_COIN = {"XBT": "BTC"}
_MULTIPLE = re.compile(r"^(?:1000+|1M|K)(?=[A-Z])|(?<=[A-Z])1000+$")
"""1000PEPE, 1MBABYDOGE, SHIB1000: contracts on a multiple of the coin, with a different price."""
_UNMAPPED = re.compile(r'("(?:[^"\\]|\\.)*") is not mapped')


def read_pair(text: str) -> tuple[str, str]:
    """Return the spelling and the symbol in a line: ``BTCUSD BTCUSDT``, ``BTCUSD -> BTCUSDT``, ``BTCUSD=BTCUSDT``.

    The symbol is empty if only one word was typed. Raises ``ValueError`` for more than two.
    """
    words = [word.strip("\"'") for word in _BETWEEN.split(text.strip()) if word]
    if not words or len(words) > 2:
        raise ValueError("expected the source's spelling, then your symbol: BTCUSD BTCUSDT")
    return words[0], words[1] if len(words) == 2 else ""


def proposed(spelling: str) -> str:
    """Return the symbol that a spelling suggests: ``BYBIT:BTCUSDT.P`` and ``BTC-USDT-SWAP`` suggest ``BTCUSDT``."""
    text = spelling.upper().rpartition(":")[2]
    for suffix in _SUFFIXES:
        shorter = text.removesuffix(suffix)
        if shorter != text and (suffix != "M" or shorter.endswith(_QUOTES)):
            text = shorter
            break
    return re.sub(r"[-_/.]", "", text)


def candidates(spelling: str, known: Iterable[str] = ()) -> list[str]:
    """Return the possible symbols for a spelling, the likeliest first: those in use, then perpetuals on its coin.

    ``BTCUSD`` may mean ``BTCUSDT``: most exchanges settle in USDT. Contracts on multiples of the coin are excluded.
    """
    coin, plain = base(spelling), proposed(spelling)
    used = [symbol for symbol in known if base(symbol) == coin]
    stated = [quote for quote in _SETTLE_COINS if plain.endswith(quote)]
    made = [*(f"{coin}{quote}" for quote in stated or _SETTLE_COINS), plain]
    return list(dict.fromkeys([*(symbol for symbol in made if symbol in used), *used, *made]))


def base(symbol: str) -> str:
    """Return the base coin of a perpetual, judging by its spelling: BTC for ``BYBIT:BTCUSDT.P``."""
    text = proposed(symbol)
    quote = next((quote for quote in _QUOTES if text.endswith(quote) and text != quote), "")
    text = text.removesuffix(quote)
    return _SAME_COIN.get(text, text)


def doubt(spelling: str, symbol: str) -> str:
    """Return why a pair looks like a mistake; empty if it does not."""
    one, other = base(spelling), base(symbol)
    if one == other:
        return ""
    if _MULTIPLE.sub("", one) == _MULTIPLE.sub("", other):
        return f"{one} and {other} are contracts on different amounts of the coin, so their prices differ"
    return f"{spelling} looks like {one}, and {symbol} like {other}"


def refused_spellings(quarantine: Iterable[Mapping[str, Any]], source: str) -> dict[str, int]:
    """Return the unmapped spellings that a source used, with their counts, the most frequent first.

    ``quarantine``: entries as ``/api/v1/quarantine`` shows them.
    """
    count: Counter[str] = Counter()
    for entry in quarantine:
        found = _UNMAPPED.match(str(entry.get("reason", ""))) if entry.get("source") == source else None
        if found:
            count[json.loads(found[1])] += 1
    return dict(count.most_common())
