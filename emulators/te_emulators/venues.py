"""The list of exchanges, and how to run one inside a test or from the command line."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TypedDict, Unpack

from te_emulators.contracts.usdc import COIN, list_usdc
from te_emulators.core.clock import ExchangeClock
from te_emulators.core.faults import FaultScript
from te_emulators.core.limits import RateLimits
from te_emulators.wire.server import WireServer

VENUES = {
    "bybit": "te_emulators.bybit.server:BybitServer",
    "blofin": "te_emulators.blofin.server:BlofinServer",
    "kucoin": "te_emulators.kucoin.server:KucoinServer",
    "mexc": "te_emulators.mexc.server:MexcServer",
}
"""Module and class of each wire layer, loaded on request."""
STAND_INS = {
    "gate": "te_emulators.standins.gate:GateServer",
    "okx": "te_emulators.standins.okx:OkxServer",
    "bitget": "te_emulators.standins.bitget:BitgetServer",
    "binance": "te_emulators.standins.binance:BinanceServer",
}
"""Small ones, for the generic ccxt plugin: only its HTTP requests."""
FOR_EXAMPLES = {
    "hyperliquid": "te_emulators.standins.hyperliquid:HyperliquidServer",
}
"""For a plugin among the examples; the suite does not run with the generic ccxt plugin here."""
IN_USDC = {"hyperliquid"}
"""Exchanges whose contracts always settle in USDC."""


def server(
    venue: str,
    *,
    key: str = "K",
    secret: str = "S",
    passphrase: str = "P",
    balance: Decimal = Decimal(10_000),
    coin: str = "USDT",
    latency: float = 0.0,
    faults: FaultScript | None = None,
    clock: ExchangeClock | None = None,
    limits: RateLimits | None = None,
) -> WireServer:
    """Return a wire layer on a new exchange with one account "main"; not started. ``latency`` is in seconds.

    With ``coin`` "USDC" the account holds that, and contracts that settle in it are listed too.
    """
    module, _, name = (VENUES | STAND_INS | FOR_EXAMPLES)[venue].partition(":")
    made: WireServer = getattr(importlib.import_module(module), name)(
        faults=faults, latency=latency, clock=clock, limits=limits
    )
    if coin == COIN and venue not in IN_USDC:
        list_usdc(venue, made.exchange)
    made.exchange.open_account(
        "main", key=key, secret=secret, passphrase=passphrase, balance=balance, coin=coin
    )
    return made


class Options(TypedDict, total=False):
    """Parameters of ``server`` besides the name."""

    key: str
    secret: str
    passphrase: str
    balance: Decimal
    coin: str
    latency: float
    faults: FaultScript | None
    clock: ExchangeClock | None
    limits: RateLimits | None


@asynccontextmanager
async def running(venue: str, *, port: int = 0, **options: Unpack[Options]) -> AsyncIterator[WireServer]:
    """Run one for the duration of the block; ``options`` as for ``server``."""
    made = server(venue, **options)
    await made.start(port)
    try:
        yield made
    finally:
        await made.stop()
