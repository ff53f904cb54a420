"""BloFin's codes. https://docs.blofin.com/index.html#errors"""

from __future__ import annotations

from te_exchange_ccxt.base import Trouble

EXPIRED = "152405"
TROUBLES = {
    "152401": Trouble.CREDENTIALS,
    "152402": Trouble.CREDENTIALS,
    "152408": Trouble.PASSPHRASE,
    "152409": Trouble.SIGNATURE,
    "401": Trouble.SIGNATURE,
    EXPIRED: Trouble.CLOCK,
    "152410": Trouble.CLOCK,
    # Our nonces differ: something on the way sent a request twice, and the first one may have been executed.
    "152407": Trouble.BUSY,
    "152406": Trouble.ADDRESS,
    "152404": Trouble.PERMISSION,
    "429": Trouble.RATE,
    "500": Trouble.BUSY,
    "103013": Trouble.BUSY,
    "103003": Trouble.MARGIN,
    "150004": Trouble.MARGIN,
    "102002": Trouble.DUPLICATE,
    "150003": Trouble.DUPLICATE,
    "102005": Trouble.REDUCE_ONLY,
    "102022": Trouble.REDUCE_ONLY,
    "542": Trouble.SIZE,
    "102014": Trouble.SIZE,
    "102015": Trouble.SIZE,
    "152014": Trouble.SYMBOL,
    "102067": Trouble.NOT_FOUND,
    "102068": Trouble.NOT_FOUND,
    "110006": Trouble.MODE_BLOCKED,
    "110019": Trouble.MODE_BLOCKED,
    "102089": Trouble.HEDGE_MODE,
}
BROKERS = {
    "152011": 'this key takes no broker id: set broker_id = ""',
    "152012": "this key needs a broker id: set broker_id, or use a key of type API transaction",
    "152013": "this key is bound to another broker: set broker_id to its id, or use a key of type API transaction",
}
"""Remedies for what is said of the broker id; each stops the account."""
