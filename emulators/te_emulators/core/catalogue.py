"""Base coins and round prices, for contracts of which no sample was recorded: 25 in all with BTC, ETH and SOL."""

from __future__ import annotations

from decimal import Decimal

PRICES: dict[str, Decimal] = {
    base: Decimal(price)
    for base, price in {
        "BTC": "50000",
        "ETH": "3000",
        "SOL": "150",
        "XRP": "0.6",
        "ADA": "0.5",
        "DOGE": "0.12",
        "LTC": "70",
        "BNB": "580",
        "AVAX": "35",
        "LINK": "18",
        "DOT": "7",
        "TRX": "0.13",
        "ATOM": "9",
        "UNI": "10",
        "ETC": "27",
        "FIL": "6",
        "NEAR": "5",
        "APT": "9",
        "ARB": "1.2",
        "OP": "2.5",
        "SUI": "1.1",
        "INJ": "25",
        "AAVE": "95",
        "BCH": "450",
        "XLM": "0.11",
    }.items()
}
