"""ccxt's class for BloFin, mended: nonces, the age of orders, and no broker id where none is wanted."""

from __future__ import annotations

from asyncio import get_running_loop
from hashlib import sha256
from typing import Any
from uuid import uuid4

from te_exchange_blofin.codes import EXPIRED
from te_exchange_ccxt.base import Base, dig

ORDERS = frozenset(
    {
        "trade/order",
        "trade/order-tpsl",
        "copytrading/trade/place-order",
        "copytrading/trade/close-position-by-contract",
    }
)
"""What trades: dated back, so that it expires soon should it get lost."""


class Mended(Base):  # type: ignore[misc]  # what it is mixed into is known at run time only
    """``age``: milliseconds by which orders are dated back, so that they expire the sooner should they get lost.

    ``ordered_at``: when the last order was dated, by the event loop's clock. ``aged``: BloFin took one of that age.
    """

    age = 45_000
    ordered_at = 0.0
    aged = False

    def sign(self, path: str, api: Any = "public", method: str = "GET", params: Any = None) -> Any:
        """Sign with a nonce of its own: ccxt's is the time, and two requests in one millisecond share it."""
        signed = super().sign(path, api, method, params or {})
        if (headers := signed["headers"]) is not None:
            ago = self.options.get("timeDifference", 0)
            if path in ORDERS:
                ago, self.ordered_at = ago + self.age, get_running_loop().time()
            timestamp, nonce = str(self.milliseconds() - ago), uuid4().hex
            target = signed["url"].removeprefix(self.urls["api"]["rest"])
            text = f"{target}{method}{timestamp}{nonce}{signed['body'] or ''}"
            digest = self.hmac(self.encode(text), self.encode(self.secret), sha256)
            headers |= {"ACCESS-TIMESTAMP": timestamp, "ACCESS-NONCE": nonce}
            headers["ACCESS-SIGN"] = self.string_to_base64(digest)
        return signed

    def handle_errors(self, *answer: Any) -> Any:
        """Learn whether orders are taken that are dated back: one that is refused may be late for another reason."""
        if str(answer[2]).partition("/api/v1/")[2] in ORDERS:
            code = dig(answer[6], "code")
            self.aged |= code == "0"
            if code == EXPIRED and not self.aged:
                self.age = 0
        return super().handle_errors(*answer)

    def create_order_request(self, *order: Any) -> Any:
        """Leave an empty broker id out: ordinary keys are refused for ccxt's own, and for any."""
        request = super().create_order_request(*order)
        return {name: value for name, value in request.items() if (name, value) != ("brokerId", "")}
