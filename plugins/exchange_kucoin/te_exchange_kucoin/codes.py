"""KuCoin's codes, as far as ccxt's classes do not tell enough. https://www.kucoin.com/docs-new/error-code"""

from __future__ import annotations

from te_exchange_ccxt.base import Trouble

TROUBLES = {
    "400004": Trouble.PASSPHRASE,
    "400005": Trouble.SIGNATURE,
    "400006": Trouble.ADDRESS,
    "400007": Trouble.PERMISSION,
    **dict.fromkeys(("40010", "400302"), Trouble.REGION),
    "200002": Trouble.RATE,
    "1015": Trouble.BANNED,
    **dict.fromkeys(("300002", "300014", "300015"), Trouble.MAINTENANCE),  # suspended, liquidating, settling
    "100002": Trouble.BUSY,
    "200005": Trouble.MARGIN,
    "300016": Trouble.LEVERAGE,
    **dict.fromkeys(("330005", "50002"), Trouble.MODE_BLOCKED),
    "330011": Trouble.HEDGE_MODE,
    "300009": Trouble.REDUCE_ONLY,
    "300018": Trouble.DUPLICATE,
    **dict.fromkeys(("100003", "200003"), Trouble.SYMBOL),
    "100004": Trouble.NOT_FOUND,  # not to be cancelled: it is over, or never was
}
TEXTS = {
    ("400100", "below the minimum"): Trouble.SIZE,
    ("400100", "increment"): Trouble.SIZE,
    ("400100", "account.available.amount"): Trouble.MARGIN,
    ("100001", "everage"): Trouble.LEVERAGE,
}
"""Where a code has several meanings: by what the text says."""
