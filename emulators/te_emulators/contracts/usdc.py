"""Perpetuals that settle in USDC, listed next to those in USDT on request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from te_emulators.core.exchange import Exchange
from te_emulators.core.instrument import Instrument

COIN = "USDC"


def list_usdc(venue: str, exchange: Exchange) -> None:
    """List a USDC twin of every contract, at the same price and with the same rules.

    Bybit calls it ``BTCPERP``; the others put the coin where USDT stands. No rows of them were recorded at BloFin and
    MEXC; everything but the name is copied.
    """
    for instrument in list(exchange.market.instruments.values()):
        exchange.market.add(_twin(venue, instrument))


def _twin(venue: str, instrument: Instrument) -> Instrument:
    row: Any = {name: _in_usdc(value) for name, value in instrument.row.items()}
    symbol = _in_usdc(instrument.symbol)
    if venue == "bybit":
        symbol = row["symbol"] = f"{instrument.base}PERP"
    return replace(instrument, symbol=symbol, quote=COIN, row=row)


def _in_usdc(value: Any) -> Any:
    return value.replace("USDT", COIN) if isinstance(value, str) else value
