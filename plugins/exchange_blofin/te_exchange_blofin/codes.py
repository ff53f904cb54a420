"""BloFin's error codes. https://docs.blofin.com/index.html#errors"""

from __future__ import annotations

from te_exchange_ccxt.api import ErrorKind, code_table

EXPIRED = "152405"
ERROR_CODES = code_table(
    {
        ErrorKind.CREDENTIALS: "152401 152402",
        ErrorKind.PASSPHRASE: "152408",
        ErrorKind.SIGNATURE: "152409 401",
        ErrorKind.ADDRESS: "152406",
        ErrorKind.PERMISSION: "152404 152011 152012 152013",
        ErrorKind.HEDGE_MODE: "102089",
        ErrorKind.CLOCK: f"{EXPIRED} 152410",
        ErrorKind.RATE: "429",
        # 152407: a repeated nonce. Ours are unique, so the network sent a request twice; the first may count.
        ErrorKind.BUSY: "152407 500 103013",
        ErrorKind.MARGIN: "103003 150004",
        ErrorKind.DUPLICATE: "102002 150003",
        ErrorKind.REDUCE_ONLY: "102005 102022",
        ErrorKind.SIZE: "542 102014 102015",
        ErrorKind.SYMBOL: "152014",
        ErrorKind.NOT_FOUND: "102067 102068",
        ErrorKind.MODE_BLOCKED: "110006 110019",
    }
)
ERROR_TEXTS = {
    ("", "maintenance"): ErrorKind.MAINTENANCE,
    ("500", "or does not exist"): ErrorKind.NOT_FOUND,  # when cancelling a TP/SL order
    ("152001", "positionside"): ErrorKind.HEDGE_MODE,  # leverage has a side in hedge mode only
    ("", "parameter size"): ErrorKind.SIZE,
}
NO_BROKER = "152011"
BROKER_REMEDIES = {
    (NO_BROKER, ""): 'this key accepts no broker id: set broker_id = ""',
    ("152012", ""): "this key needs a broker id: set broker_id, or use a key of type API transaction",
    ("152013", ""): "this key is another broker's: set broker_id to its id, or use an API transaction key",
}
"""Remedies for errors about the broker id; each stops the account."""
