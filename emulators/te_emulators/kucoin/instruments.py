"""Contracts: recorded rows where there are any, rows of the same form for the other coins."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from te_emulators.contracts import response
from te_emulators.core.catalogue import PRICES
from te_emulators.core.instrument import Instrument
from te_emulators.core.market import Quote

LIVE = "contracts active (live"
OLDER = "contracts active (2023-11)"
MULTIPLIERS = {"SOL": "0.1", "DOGE": "100", "TRX": "100"}
"""Contract sizes in base coin of rows that were not recorded, as the exchange has them; the others' are made up."""


def rows() -> dict[str, dict[str, Any]]:
    """25 rows by base coin. BTC and PROMPT are of 2026, ETH, ADA and XRP of 2023 with today's further fields.

    PROMPT has a smaller maximum for market orders than for limit orders, and a date of delisting.
    """
    btc, prompt = response("kucoin", LIVE)["data"]
    older = {row["baseCurrency"]: row for row in response("kucoin", OLDER)["data"]}
    found = {"BTC": btc}
    for base, price in list(PRICES.items())[1:24]:
        found[base] = _completed(btc, older[base]) if base in older else _row(btc, base, price)
    return {**found, "PROMPT": btc | prompt}


def instruments() -> list[Instrument]:
    """All contracts."""
    return [_instrument(base, row) for base, row in rows().items()]


def quote(row: dict[str, Any]) -> Quote:
    """Prices as recorded; bid and ask are known of BTC only, elsewhere they are the last price."""
    last = _decimal(row["lastTradePrice"])
    bid = ask = last
    if row["symbol"] == "XBTUSDTM":
        ticker = response("kucoin", "ticker (live")["data"]
        bid, ask = Decimal(ticker["bestBidPrice"]), Decimal(ticker["bestAskPrice"])
    return Quote(
        symbol=row["symbol"],
        mark=_decimal(row["markPrice"]),
        index=_decimal(row["indexPrice"]),
        last=last,
        bid=bid,
        ask=ask,
    )


def _instrument(base: str, row: dict[str, Any]) -> Instrument:
    return Instrument(
        symbol=row["symbol"],
        base=base,
        price=_decimal(row["lastTradePrice"]),
        contract_size=_decimal(row["multiplier"]),
        size_step=_decimal(row["lotSize"]),
        min_size=_decimal(row["lotSize"]),
        max_market_size=_decimal(row["marketMaxOrderQty"]),
        max_limit_size=_decimal(row["maxOrderQty"]),
        tick=_decimal(row["tickSize"]),
        max_leverage=_decimal(row["maxLeverage"]),
        maintenance_rate=_decimal(row["maintainMargin"]),
        taker_fee=_decimal(row["takerFeeRate"]),
        maker_fee=_decimal(row["makerFeeRate"]),
        row=row,
    )


def _decimal(value: object) -> Decimal:
    return Decimal(str(value))


def _completed(newest: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """An older row with the fields that rows have today."""
    price = row["markPrice"]
    return {
        **newest,
        **_names(row["symbol"], row["baseCurrency"]),
        **row,
        "marketMaxOrderQty": row["maxOrderQty"],
        "buyLimit": round(price * 1.05, 8),
        "sellLimit": round(price * 0.95, 8),
        "mmrLevConstant": float(row["maxLeverage"]),
    }


def _row(newest: dict[str, Any], base: str, price: Decimal) -> dict[str, Any]:
    """Like the recorded ones: a contract of some USDT, ticks of about a hundred-thousandth."""
    size = Decimal(MULTIPLIERS.get(base) or Decimal(10) ** -price.adjusted())
    figure = float(price)
    row = {
        **_names(f"{base}USDTM", base),
        "symbol": f"{base}USDTM",
        "baseCurrency": base,
        "multiplier": float(size),
        "tickSize": float(Decimal(10) ** (price.adjusted() - 4)),
        "initialMargin": 0.0134,
        "maintainMargin": 0.007,
        "maxLeverage": 75,
        "markPrice": figure,
        "indexPrice": figure,
        "lastTradePrice": figure,
        "lowPrice": figure,
        "highPrice": figure,
        "maxOrderQty": 1000000,
    }
    return _completed(newest, row)


def _names(symbol: str, base: str) -> dict[str, Any]:
    return {
        "displaySymbol": symbol,
        "displayBaseCurrency": base,
        "indexSymbol": f".K{base}USDT",
        "fundingBaseSymbol": f".{base}INT8H",
        "fundingRateSymbol": f".{symbol}FPI8H",
        "fundingBaseSymbol1M": f".{base}INT",
        "premiumsSymbol1M": f".{symbol}PI",
        "premiumsSymbol8H": f".{symbol}PI8H",
    }
