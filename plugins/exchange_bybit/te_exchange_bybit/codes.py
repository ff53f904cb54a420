"""Bybit's error codes. https://bybit-exchange.github.io/docs/v5/error"""

from __future__ import annotations

from te_exchange_ccxt.api import ErrorKind, code_table

ERROR_CODES = code_table(
    {
        ErrorKind.CREDENTIALS: "10003 33004",
        ErrorKind.SIGNATURE: "10004",
        ErrorKind.CLOCK: "10002",
        ErrorKind.PERMISSION: "10005 10029",
        ErrorKind.ADDRESS: "10010",
        ErrorKind.REGION: "10024",
        ErrorKind.RATE: "10006 10018 10429",
        ErrorKind.TIMEOUT: "10000",
        ErrorKind.BUSY: "10016",
        ErrorKind.MARGIN: "110004 110006 110007 110012 110045",
        ErrorKind.UNCHANGED: "110025 110026 110043",
        ErrorKind.MODE_BLOCKED: "110024 110028 3400045",
        ErrorKind.LEVERAGE: "110013",
        ErrorKind.REDUCE_ONLY: "110017",
        ErrorKind.SIZE: "10001 110094",
        ErrorKind.DUPLICATE: "110072",
        ErrorKind.NOT_FOUND: "110001",
        ErrorKind.SYMBOL: "110074",
        ErrorKind.REJECTED: "110003 110009 110020 110090 110092 110093",
    }
)
ERROR_TEXTS = {
    ("10001", "position idx not match"): ErrorKind.HEDGED_SYMBOL,
    ("10001", "symbol invalid"): ErrorKind.SYMBOL,
    ("10001", "not supported symbols"): ErrorKind.SYMBOL,
    ("10001", "apikey"): ErrorKind.CREDENTIALS,
    ("10001", "leverage invalid"): ErrorKind.LEVERAGE,
    ("10016", "maintenance"): ErrorKind.MAINTENANCE,
}
"""Ambiguous codes, told apart by a part of the text."""
REMEDIES = {
    ("10003", ""): (
        "the key is unknown at this host: most often it was made for demo trading or the testnet (set test), or at a "
        "regional Bybit; else it was deleted: check api_key of this account"
    ),
    ("3400045", "equity"): (
        "the account's balance is too low for this margin mode: add funds, or set margin_mode to its present one"
    ),
    ("3400045", "position"): ErrorKind.MODE_BLOCKED.remedy,
    ("3400045", "order"): ErrorKind.MODE_BLOCKED.remedy,
    ("3400045", ""): "the exchange refuses this margin mode for the reason stated",
}
"""Remedies for codes with several causes, by the text."""
