"""Bybit's codes. https://bybit-exchange.github.io/docs/v5/error"""

from __future__ import annotations

from te_exchange_ccxt.base import Trouble

CODES = {
    Trouble.CREDENTIALS: "10003 33004",
    Trouble.SIGNATURE: "10004",
    Trouble.CLOCK: "10002",
    Trouble.PERMISSION: "10005 10029",
    Trouble.ADDRESS: "10010",
    Trouble.REGION: "10024",
    Trouble.RATE: "10006 10018 10429",
    Trouble.TIMEOUT: "10000",
    Trouble.BUSY: "10016",
    Trouble.MARGIN: "110004 110006 110007 110012 110045",
    Trouble.UNCHANGED: "110025 110026 110043",
    Trouble.MODE_BLOCKED: "110024 110028 3400045",
    Trouble.LEVERAGE: "110013",
    Trouble.REDUCE_ONLY: "110017",
    Trouble.SIZE: "10001 110094",
    Trouble.DUPLICATE: "110072",
    Trouble.NOT_FOUND: "110001",
    Trouble.SYMBOL: "110074",
    Trouble.REJECTED: "110003 110009 110020 110090 110092 110093",
}
TROUBLES = {code: trouble for trouble, codes in CODES.items() for code in codes.split()}
TEXTS = {
    ("10001", "position idx not match"): Trouble.HEDGED_SYMBOL,
    ("10001", "symbol invalid"): Trouble.SYMBOL,
    ("10001", "not supported symbols"): Trouble.SYMBOL,
    ("10001", "apikey"): Trouble.CREDENTIALS,
    ("10001", "leverage invalid"): Trouble.LEVERAGE,
    ("10016", "maintenance"): Trouble.MAINTENANCE,
}
"""Codes that stand for many things, told apart by a part of the text."""
REMEDIES = {
    ("10003", ""): (
        "the key is not known at this host: most often it was made for demo trading or the testnet (set test), or at a "
        "regional Bybit; else it was deleted: check api_key of this account"
    ),
    ("3400045", "equity"): (
        "the account holds too little for this margin mode: add funds, or set margin_mode to the one that it is in"
    ),
    ("3400045", "position"): Trouble.MODE_BLOCKED.remedy,
    ("3400045", "order"): Trouble.MODE_BLOCKED.remedy,
    ("3400045", ""): "the exchange refuses this margin mode, for the reason that it gives",
}
"""What to do about a code that stands for several reasons, by what it says of them."""
