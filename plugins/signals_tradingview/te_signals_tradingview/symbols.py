"""Maps TradingView's symbols to the engine's by the mapping in the settings, and by nothing else.

A linear contract is charted under several spellings (``BYBIT:BTCUSDT.P``, ``BTCUSDT.P``, ``BTCUSDT``). One mapping line
serves them all, with or without ``.P``; a line that names an exchange serves only that exchange. Any other spelling may
be another contract (coin-margined ``BTCUSD.P``, futures such as ``BTC1!``, exchange spellings such as ``XBTUSDTM``,
multiplied ``1000PEPEUSDT.P``, delayed feeds), so it needs a mapping line with its exact spelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from te_core.api import ConfigError, SignalRejected
from te_signals_tradingview.formats.numbers import quoted

_PERPETUAL = ".P"
_CACHE_SIZE = 1_000
"""Spellings. A source's alerts use the same ones every time."""

_DELAYED = ("_DL", "_DLY")
_IN_A_SHELL = re.compile(r"[\w.:-]+", re.ASCII)
"""Spellings that need no quoting in a shell."""

_LINEAR = re.compile(r"(?!1M|10{3,})[A-Z0-9]{1,20}(?<!1000)USD[TC]")


def normalise(spelling: str) -> str | None:
    """Return the plain form of a linear symbol (``BYBIT:BTCUSDT.P`` → ``BTCUSDT``); None if it has none."""
    exchange, _, ticker = spelling.strip().upper().rpartition(":")
    plain = ticker.removesuffix(_PERPETUAL)
    return None if exchange.endswith(_DELAYED) or not _LINEAR.fullmatch(plain) else plain


class SymbolMap:
    """The mapping of one source. Spellings are case-insensitive."""

    def __init__(self, mapping: Mapping[str, str], *, source: str) -> None:
        """Raise ``ConfigError`` if two lines differ only in case and map to different symbols."""
        self._source = source
        self._mapping: dict[str, str] = {}
        self._resolved: dict[str, str] = {}
        for spelling, symbol in mapping.items():
            key = spelling.strip().upper()
            if self._mapping.setdefault(key, symbol) != symbol:
                raise ConfigError(
                    f"the same spelling is also mapped to {self._mapping[key]}; keep one of the two lines",
                    key=f"sources.{source}.symbols.{spelling}",
                    value=symbol,
                )

    def resolve(self, spelling: str, *, field: str = "symbol") -> str:
        """Return the engine's symbol. Of several matching lines the most specific one decides.

        Raises ``SignalRejected`` with the command that adds the missing line.
        """
        symbol = self._resolved.get(spelling)
        if symbol is not None:
            return symbol
        for candidate in _candidates(spelling):
            symbol = self._mapping.get(candidate)
            if symbol is not None:
                if len(self._resolved) < _CACHE_SIZE:
                    self._resolved[spelling] = symbol
                return symbol
        raise SignalRejected(f"{quoted(spelling)} is not mapped", field=field, hint=self._hint(spelling))

    def _hint(self, spelling: str) -> str:
        plain = normalise(spelling)
        if plain and _IN_A_SHELL.fullmatch(spelling):
            return f"te configure mappings --set {self._source}.{spelling}={plain}"
        pair = f"{quoted(spelling)} = {quoted(plain or '…')}"
        hint = f"in [sources.{self._source}] symbols needs {pair}"
        return hint if plain else f"{hint}, but only with a symbol of yours that is the same contract"


def _candidates(spelling: str) -> Iterator[str]:
    """Yield the mapping keys that match, from the most to the least specific."""
    exact = spelling.strip().upper()
    yield exact
    plain = normalise(exact)
    if plain is None:
        return
    exchange, colon, ticker = exact.rpartition(":")
    other = plain if ticker != plain else plain + _PERPETUAL
    yield from (exchange + colon + other, ticker, other)
