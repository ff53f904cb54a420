"""Overrides of ccxt's class for BloFin: nonces, backdated orders, and no broker id where none is wanted."""

from __future__ import annotations

from asyncio import get_running_loop
from hashlib import sha256
from typing import Any
from uuid import uuid4

from te_exchange_blofin.codes import EXPIRED
from te_exchange_ccxt.api import MixinBase, dig

ORDERS = frozenset(
    {
        "trade/order",
        "trade/order-tpsl",
        "copytrading/trade/place-order",
        "copytrading/trade/close-position-by-contract",
    }
)
"""Order routes: their requests are backdated, so that they expire soon if they get lost."""


class BlofinClientMixin(MixinBase):  # type: ignore[misc]  # what it is mixed into is known at run time only
    """Overrides of ccxt's class for BloFin."""

    age: int = 45_000
    """Milliseconds by which orders are backdated, so that they expire sooner if they get lost."""
    ordered_at: float = 0.0
    """When the last order was dated, by the event loop's clock."""
    aged: bool = False
    """Whether BloFin has accepted a backdated order."""

    def sign(self, path: str, api: Any = "public", method: str = "GET", params: Any = None) -> Any:
        """Sign with a random nonce: ccxt uses the time, which two requests in one millisecond share."""
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

    def handle_errors(self, *response: Any) -> Any:
        """Learn whether backdated orders are accepted: a rejected one may be late for another reason."""
        if str(response[2]).partition("/api/v1/")[2] in ORDERS:
            code = dig(response[6], "code")
            self.aged |= code == "0"
            if code == EXPIRED and not self.aged:
                self.age = 0
        return super().handle_errors(*response)

    def create_order_request(self, *order: Any) -> Any:
        """Omit an empty broker id: ordinary keys are rejected for ccxt's own, and for any other."""
        request = super().create_order_request(*order)
        return {name: value for name, value in request.items() if (name, value) != ("brokerId", "")}
