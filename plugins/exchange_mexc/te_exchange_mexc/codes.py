"""MEXC's error codes. https://www.mexc.com/api-docs/futures/error-code"""

from __future__ import annotations

from te_exchange_ccxt.api import ErrorKind, code_table

ERROR_CODES = code_table(
    {
        ErrorKind.CREDENTIALS: "401 402",
        ErrorKind.SIGNATURE: "602",
        ErrorKind.ADDRESS: "406",
        ErrorKind.PERMISSION: "511 701 702 703 704",
        ErrorKind.ACCOUNT_TYPE: "1000",
        ErrorKind.FROZEN: "6001",
        ErrorKind.CLOCK: "513",
        ErrorKind.RATE: "429 510 2037",
        ErrorKind.MAINTENANCE: "604 801",
        ErrorKind.BUSY: "500 501 9999",
        ErrorKind.DUPLICATE: "603",
        ErrorKind.SYMBOL: "1001 1002",
        ErrorKind.MARGIN: "2005 2018",
        ErrorKind.LEVERAGE: "2006 2021 2023 2024 2026",
        ErrorKind.REDUCE_ONLY: "2008 2009",
        ErrorKind.SIZE: "2011 2015 2028",
        ErrorKind.MODE_BLOCKED: "2019 2027",
        ErrorKind.NOT_FOUND: "2040",
        ErrorKind.HEDGE_MODE: "2022",
        ErrorKind.REJECTED: "600 601 2030 2041",
    }
)
ERROR_TEXTS = {("500", "maintenance"): ErrorKind.MAINTENANCE}  # else an internal error

OTHER_MODE = 9
ENDINGS = {
    2: "balance insufficient", 3: "no such position", 4: "position smaller than the order", OTHER_MODE: "position mode",
    10: "reduce-only, and nothing left to reduce", 21: "not filled at once at the market",
}  # fmt: skip
"""Why an accepted order ended without being filled, by its ``errorCode``."""
