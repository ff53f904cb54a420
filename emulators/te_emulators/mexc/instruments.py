"""Contracts: recorded rows where there are any, rows of the same form for the other coins."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from te_emulators.contracts import response
from te_emulators.core.catalogue import PRICES
from te_emulators.core.instrument import Instrument

RECORDED = ("contract detail BTC/ETH/SOL/XRP", "contract detail, current rows")
LISTED_ONLY = frozenset({"BTC_USD", "BULLCOIN_USDT"})
"""Also recorded: an inverse contract, and one that accepts no orders through the API."""


def recorded() -> dict[str, dict[str, Any]]:
    """Rows by symbol, the newer recording over the older.

    The older rows of ETH and SOL state that no contract accepts orders through the API, which has changed since; no
    newer rows of them were recorded.
    """
    rows: dict[str, dict[str, Any]] = {}
    for name in RECORDED:
        for row in response("mexc", name)["data"]:
            rows[row["symbol"]] = {**rows.get(row["symbol"], {"apiAllowed": True}), **row}
    for symbol in ("ETH_USDT", "SOL_USDT"):
        rows[symbol]["apiAllowed"] = True
    return rows


def listed_only() -> list[dict[str, Any]]:
    """Rows of contracts that cannot be traded here."""
    return [row for symbol, row in recorded().items() if symbol in LISTED_ONLY]


def instruments() -> list[Instrument]:
    """25 coins and TUT, whose largest market order is small; BTC starts at the price of its recorded ticker."""
    rows = recorded()
    last = Decimal(str(response("mexc", "ticker BTC_USDT (2026")["data"][0]["lastPrice"]))
    prices = PRICES | {"BTC": last, "TUT": Decimal("0.02")}
    template = rows["XRP_USDT"]
    made = []
    for base, price in prices.items():
        row = {**template, **_names(base), **(rows.get(f"{base}_USDT") or _row(price))}
        made.append(_instrument(row, price))
    return made


def _instrument(row: dict[str, Any], price: Decimal) -> Instrument:
    def exact(name: str) -> Decimal:
        return Decimal(str(row[name]))

    return Instrument(
        symbol=row["symbol"],
        base=row["baseCoin"],
        price=price,
        contract_size=exact("contractSize"),
        size_step=exact("volUnit"),
        min_size=exact("minVol"),
        max_market_size=exact("maxVol"),
        max_limit_size=exact("limitMaxVol"),
        tick=exact("priceUnit"),
        min_leverage=exact("minLeverage"),
        max_leverage=exact("maxLeverage"),
        maintenance_rate=exact("maintenanceMarginRate"),
        taker_fee=exact("takerFeeRate"),
        maker_fee=exact("makerFeeRate"),
        tradable=row["apiAllowed"] and row["state"] == 0,
        row=row,
    )


def _names(base: str) -> dict[str, Any]:
    return {
        "symbol": f"{base}_USDT",
        "displayName": f"{base}_USDT永续",
        "displayNameEn": f"{base}_USDT PERPETUAL",
        "baseCoin": base,
        "baseCoinName": base,
    }


def _row(price: Decimal) -> dict[str, Any]:
    """Like the recorded ones: contracts of 1 USDT to 10 USDT, ticks of about a ten-thousandth."""
    size = Decimal(10) ** -price.adjusted()
    tick = Decimal(10) ** (price.adjusted() - 4)
    most = Decimal(5_000_000) // (price * size)
    return {
        "contractSize": size,
        "priceUnit": tick,
        "priceScale": max(-int(tick.adjusted()), 0),
        "maxVol": most,
        "limitMaxVol": 5 * most,
        "apiAllowed": True,
    }


def detail_row(instrument: Instrument) -> dict[str, Any]:
    """The contract as it is now, in the recorded form."""
    return {
        **instrument.row,
        "contractSize": instrument.contract_size,
        "volUnit": instrument.size_step,
        "minVol": instrument.min_size,
        "maxVol": instrument.max_market_size,
        "limitMaxVol": instrument.max_limit_size,
        "maxLeverage": instrument.max_leverage,
        "apiAllowed": instrument.tradable,
    }
