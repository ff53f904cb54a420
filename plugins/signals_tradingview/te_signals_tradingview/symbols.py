"""From TradingView's spellings to the engine's, by the mapping in the settings and by nothing else.

A linear contract is charted under several spellings (``BYBIT:BTCUSDT.P``, ``BTCUSDT.P``, ``BTCUSDT``): one mapping line
serves them all, with or without ``.P``, and only those of its exchange if it names one. Anything else may be another
contract on another venue (coin-margined ``BTCUSD.P``, futures such as ``BTC1!``, venue spellings such as ``XBTUSDTM``,
multiplied ``1000PEPEUSDT.P``, delayed feeds): it needs a mapping line with its exact spelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from te_core.api import ConfigError, SignalRejected
from te_signals_tradingview.number import quoted

_PERPETUAL = ".P"
_REMEMBERED = 1_000
"""Spellings; an alert sends the same one every time."""

_DELAYED = ("_DL", "_DLY")
_IN_A_SHELL = re.compile(r"[\w.:-]+", re.ASCII)
"""Spellings that a shell takes as they are."""
_LINEAR = re.compile(r"(?!1M|10{3,})[A-Z0-9]{1,20}(?<!1000)USD[TC]")


def normalise(spelling: str) -> str | None:
    """Give the plain form of a linear symbol (``BYBIT:BTCUSDT.P`` → ``BTCUSDT``); None where there is none."""
    exchange, _, ticker = spelling.strip().upper().rpartition(":")
    plain = ticker.removesuffix(_PERPETUAL)
    return None if exchange.endswith(_DELAYED) or not _LINEAR.fullmatch(plain) else plain


class SymbolMap:
    """The mapping of one source. Case does not matter."""

    def __init__(self, mapping: Mapping[str, str], *, source: str) -> None:
        """Raise ``ConfigError`` where two lines differ only in case and say different things."""
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
        """Give the engine's symbol; of several lines that fit, the one with the most specific spelling decides.

        Raises ``SignalRejected`` with the command that adds it.
        """
        symbol = self._resolved.get(spelling)
        if symbol is not None:
            return symbol
        for candidate in _candidates(spelling):
            symbol = self._mapping.get(candidate)
            if symbol is not None:
                if len(self._resolved) < _REMEMBERED:
                    self._resolved[spelling] = symbol
                return symbol
        raise SignalRejected(f"{quoted(spelling)} is not mapped", field=field, hint=self._line(spelling))

    def _line(self, spelling: str) -> str:
        plain = normalise(spelling)
        if plain and _IN_A_SHELL.fullmatch(spelling):
            return f"te configure mappings --set {self._source}.{spelling}={plain}"
        pair = f"{quoted(spelling)} = {quoted(plain or '…')}"
        hint = f"in [sources.{self._source}] symbols needs {pair}"
        return hint if plain else f"{hint}, but only with a symbol of yours that is the same contract"


def _candidates(spelling: str) -> Iterator[str]:
    """Give the mapping keys that fit, from the most to the least specific."""
    exact = spelling.strip().upper()
    yield exact
    plain = normalise(exact)
    if plain is None:
        return
    exchange, colon, ticker = exact.rpartition(":")
    other = plain if ticker != plain else plain + _PERPETUAL
    yield from (exchange + colon + other, ticker, other)
