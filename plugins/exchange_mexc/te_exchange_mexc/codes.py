"""MEXC's codes. https://www.mexc.com/api-docs/futures/error-code"""

from __future__ import annotations

from te_exchange_ccxt.base import Trouble

_CODES = {
    Trouble.CREDENTIALS: "401 402",
    Trouble.SIGNATURE: "602",
    Trouble.ADDRESS: "406",
    Trouble.PERMISSION: "511 701 702 703 704",
    Trouble.ACCOUNT_TYPE: "1000",
    Trouble.FROZEN: "6001",
    Trouble.CLOCK: "513",
    Trouble.RATE: "429 510 2037",
    Trouble.MAINTENANCE: "604 801",
    Trouble.BUSY: "500 501 9999",
    Trouble.DUPLICATE: "603",
    Trouble.SYMBOL: "1001 1002",
    Trouble.MARGIN: "2005 2018",
    Trouble.LEVERAGE: "2006 2021 2023 2024 2026",
    Trouble.REDUCE_ONLY: "2008 2009",
    Trouble.SIZE: "2011 2015 2028",
    Trouble.MODE_BLOCKED: "2019 2027",
    Trouble.NOT_FOUND: "2040",
    Trouble.HEDGE_MODE: "2022",
    Trouble.REJECTED: "600 601 2030 2041",
}
TROUBLES = {code: trouble for trouble, codes in _CODES.items() for code in codes.split()}
TEXTS = {("500", "maintenance"): Trouble.MAINTENANCE}  # else an internal error

OTHER_MODE = 9
ENDINGS = {
    2: "balance insufficient", 3: "no such position", 4: "position smaller than the order", OTHER_MODE: "position mode",
    10: "reduce-only, and nothing left to reduce", 21: "not filled at once at the market",
}  # fmt: skip
"""Why an accepted order ended without being filled, by its ``errorCode``."""
