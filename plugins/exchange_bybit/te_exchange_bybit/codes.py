"""Bybit's codes. https://bybit-exchange.github.io/docs/v5/error"""

from __future__ import annotations

from te_exchange_ccxt.base import Trouble

TROUBLES = {
    "10003": Trouble.CREDENTIALS,
    "33004": Trouble.CREDENTIALS,
    "10004": Trouble.SIGNATURE,
    "10002": Trouble.CLOCK,
    "10005": Trouble.PERMISSION,
    "10010": Trouble.ADDRESS,
    "10024": Trouble.REGION,
    "10029": Trouble.PERMISSION,
    "10006": Trouble.RATE,
    "10018": Trouble.RATE,
    "10429": Trouble.RATE,
    "10000": Trouble.TIMEOUT,
    "10016": Trouble.BUSY,
    "110004": Trouble.MARGIN,
    "110006": Trouble.MARGIN,
    "110007": Trouble.MARGIN,
    "110012": Trouble.MARGIN,
    "110045": Trouble.MARGIN,
    "110043": Trouble.UNCHANGED,
    "110026": Trouble.UNCHANGED,
    "110025": Trouble.UNCHANGED,
    "3400045": Trouble.MODE_BLOCKED,
    "110024": Trouble.MODE_BLOCKED,
    "110028": Trouble.MODE_BLOCKED,
    "110013": Trouble.LEVERAGE,
    "110017": Trouble.REDUCE_ONLY,
    "10001": Trouble.SIZE,
    "110094": Trouble.SIZE,
    "110072": Trouble.DUPLICATE,
    "110001": Trouble.NOT_FOUND,
    "110074": Trouble.SYMBOL,
    "110003": Trouble.REJECTED,
    "110090": Trouble.REJECTED,
    "110020": Trouble.REJECTED,
}

TEXTS = {
    "10001": {
        "position idx not match": Trouble.HEDGE_MODE,
        "symbol invalid": Trouble.SYMBOL,
        "Not supported symbols": Trouble.SYMBOL,
        "apiKey": Trouble.CREDENTIALS,
        "leverage invalid": Trouble.LEVERAGE,
    },
    "10016": {"maintenance": Trouble.MAINTENANCE},
}
"""Codes that stand for many things, told apart by a part of the text."""
