"""BloFin's codes. https://docs.blofin.com/index.html#errors"""

from __future__ import annotations

from te_exchange_ccxt.base import Trouble

EXPIRED = "152405"
CODES = {
    Trouble.CREDENTIALS: "152401 152402",
    Trouble.PASSPHRASE: "152408",
    Trouble.SIGNATURE: "152409 401",
    Trouble.ADDRESS: "152406",
    Trouble.PERMISSION: "152404 152011 152012 152013",
    Trouble.HEDGE_MODE: "102089",
    Trouble.CLOCK: f"{EXPIRED} 152410",
    Trouble.RATE: "429",
    # 152407 is a repeated nonce. Ours differ: something on the way sent a request twice, and the first may count.
    Trouble.BUSY: "152407 500 103013",
    Trouble.MARGIN: "103003 150004",
    Trouble.DUPLICATE: "102002 150003",
    Trouble.REDUCE_ONLY: "102005 102022",
    Trouble.SIZE: "542 102014 102015",
    Trouble.SYMBOL: "152014",
    Trouble.NOT_FOUND: "102067 102068",
    Trouble.MODE_BLOCKED: "110006 110019",
}
TROUBLES = {code: trouble for trouble, codes in CODES.items() for code in codes.split()}
TEXTS = {
    ("", "maintenance"): Trouble.MAINTENANCE,
    ("500", "or does not exist"): Trouble.NOT_FOUND,  # of a TP/SL order that is to be cancelled
    ("152001", "positionside"): Trouble.HEDGE_MODE,  # leverage has a side in hedge mode only
    ("", "parameter size"): Trouble.SIZE,
}
NO_BROKER = "152011"
BROKERS = {
    (NO_BROKER, ""): 'this key takes no broker id: set broker_id = ""',
    ("152012", ""): "this key needs a broker id: set broker_id, or use a key of type API transaction",
    ("152013", ""): "this key is another broker's: set broker_id to its id, or use an API transaction key",
}
"""Remedies for what is said of the broker id; each stops the account."""
