"""Contracts: recorded rows where there are any, rows of the same form for the other coins."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from te_emulators.contracts import response
from te_emulators.core.catalogue import PRICES
from te_emulators.core.instrument import Instrument


def instruments() -> list[Instrument]:
    """25 contracts; BTC starts at the price of its recorded ticker, the others at the catalogue's."""
    recorded = {row["baseCoin"]: row for row in response("bybit", "instruments.linear (6")["result"]["list"]}
    prices = PRICES | {
        "BTC": Decimal(response("bybit", "tickers.linear BTCUSDT")["result"]["list"][0]["lastPrice"])
    }
    return [_instrument(recorded.get(base) or _row(base, price), price) for base, price in prices.items()]


def _instrument(row: dict[str, Any], price: Decimal) -> Instrument:
    lot, leverage = row["lotSizeFilter"], row["leverageFilter"]
    return Instrument(
        symbol=row["symbol"],
        base=row["baseCoin"],
        price=price,
        size_step=Decimal(lot["qtyStep"]),
        min_size=Decimal(lot["minOrderQty"]),
        max_market_size=Decimal(lot["maxMktOrderQty"]),
        max_limit_size=Decimal(lot["maxOrderQty"]),
        min_notional=Decimal(lot["minNotionalValue"]),
        tick=Decimal(row["priceFilter"]["tickSize"]),
        min_leverage=Decimal(leverage["minLeverage"]),
        max_leverage=Decimal(leverage["maxLeverage"]),
        taker_fee=Decimal("0.00055"),
        maker_fee=Decimal("0.0002"),
        row=row,
    )


def _row(base: str, price: Decimal) -> dict[str, Any]:
    """Like the recorded ones: lots of about 0.1 USDT to 15 USDT, ticks of about a hundred-thousandth."""
    step = Decimal(10) ** -max(price.adjusted(), 0)
    tick = Decimal(10) ** (price.adjusted() - 4)
    most = Decimal(20_000_000) // price
    return {
        "symbol": f"{base}USDT",
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": base,
        "quoteCoin": "USDT",
        "launchTime": "1634515200000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(max(-int(tick.adjusted()), 0)),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "75.00", "leverageStep": "0.01"},
        "priceFilter": {
            "minPrice": f"{tick:f}",
            "maxPrice": f"{tick * 19_999_998:f}",
            "tickSize": f"{tick:f}",
        },
        "lotSizeFilter": {
            "maxOrderQty": f"{most:f}",
            "minOrderQty": f"{step:f}",
            "qtyStep": f"{step:f}",
            "postOnlyMaxOrderQty": f"{most:f}",
            "maxMktOrderQty": f"{most // 5:f}",
            "minNotionalValue": "5",
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": "USDT",
        "copyTrading": "both",
        "upperFundingRate": "0.01",
        "lowerFundingRate": "-0.01",
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": "0.05", "priceLimitRatioY": "0.1"},
        "displayName": "",
    }
