"""KuCoin's error codes, where ccxt's classes are not enough. https://www.kucoin.com/docs-new/error-code"""

from __future__ import annotations

from te_exchange_ccxt.api import ErrorKind, code_table

ERROR_CODES = code_table(
    {
        ErrorKind.PASSPHRASE: "400004",
        ErrorKind.SIGNATURE: "400005",
        ErrorKind.ADDRESS: "400006",
        ErrorKind.PERMISSION: "400007",
        ErrorKind.REGION: "40010 400302",
        ErrorKind.RATE: "200002",
        ErrorKind.BANNED: "1015",
        ErrorKind.MAINTENANCE: "300002 300014 300015",  # suspended, liquidating, settling
        ErrorKind.BUSY: "100002",
        ErrorKind.MARGIN: "200005",
        ErrorKind.LEVERAGE: "300016",
        ErrorKind.MODE_BLOCKED: "330005 50002",
        ErrorKind.HEDGE_MODE: "330011",
        ErrorKind.REDUCE_ONLY: "300009",
        ErrorKind.DUPLICATE: "300018",
        ErrorKind.SYMBOL: "100003 200003",
        ErrorKind.NOT_FOUND: "100004",  # cannot be cancelled: it has ended, or never existed
    }
)
ERROR_TEXTS = {
    ("400100", "below the minimum"): ErrorKind.SIZE,
    ("400100", "increment"): ErrorKind.SIZE,
    ("400100", "account.available.amount"): ErrorKind.MARGIN,
    ("100001", "everage"): ErrorKind.LEVERAGE,
}
"""Ambiguous codes, told apart by a part of the text."""
