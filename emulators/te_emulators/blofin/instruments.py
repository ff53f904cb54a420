"""Contracts: recorded rows where there are any, rows of the same form for the other coins.

No row of SOL was recorded; its values here are plausible ones. The recorded row of BTC is older than the smaller
lots that documents and a recorded position of 0.1 contracts show, so those come from the documented row.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from te_emulators.contracts import response
from te_emulators.core.catalogue import PRICES
from te_emulators.core.instrument import Instrument

SOL = {
    "contractValue": "1",
    "maxLeverage": "100",
    "minSize": "0.1",
    "lotSize": "0.1",
    "tickSize": "0.01",
    "maxLimitSize": "300000",
    "maxMarketSize": "20000",
}


def instruments() -> list[Instrument]:
    """25 contracts; BTC and ETH start at recorded prices, the others at the catalogue's."""
    recorded = {row["baseCurrency"]: row for row in response("blofin", "instruments (BTC")["data"]}
    documented = response("blofin", "instruments BTC (documented)")["data"][0]
    recorded["BTC"] = {**recorded["BTC"], **{name: documented[name] for name in ("minSize", "lotSize")}}
    prices = PRICES | {
        "BTC": Decimal(response("blofin", "tickers BTC")["data"][0]["last"]),
        "ETH": Decimal(response("blofin", "mark price")["data"][0]["markPrice"]),
    }
    rows = {base: recorded.get(base) or _row(base, price) for base, price in prices.items()}
    return [_instrument(rows[base], price) for base, price in prices.items()]


def _instrument(row: dict[str, Any], price: Decimal) -> Instrument:
    return Instrument(
        symbol=row["instId"],
        base=row["baseCurrency"],
        price=price,
        contract_size=Decimal(row["contractValue"]),
        size_step=Decimal(row["lotSize"]),
        min_size=Decimal(row["minSize"]),
        max_market_size=Decimal(row["maxMarketSize"]),
        max_limit_size=Decimal(row["maxLimitSize"]),
        tick=Decimal(row["tickSize"]),
        max_leverage=Decimal(row["maxLeverage"]),
        row=row,
    )


def _row(base: str, price: Decimal) -> dict[str, Any]:
    """Like the recorded ones: contracts worth 10 to 100 USDT, ticks of about a hundred-thousandth."""
    size = Decimal(10) ** (1 - price.adjusted())
    own = SOL if base == "SOL" else {}
    return {
        "instId": f"{base}-USDT",
        "baseCurrency": base,
        "quoteCurrency": "USDT",
        "contractValue": f"{size:f}",
        "listTime": "1673517600000",
        "expireTime": "4918462716651",
        "maxLeverage": "50",
        "minSize": "1",
        "lotSize": "1",
        "tickSize": f"{Decimal(10) ** (price.adjusted() - 4):f}",
        "instType": "SWAP",
        "contractType": "linear",
        "maxLimitSize": "100000000",
        "maxMarketSize": "4500",
        "state": "live",
        "settleCurrency": "USDT",
        **own,
    }
